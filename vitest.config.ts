import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import { FirstFiles } from "./test/first-files.ts";

/** Files that run whole processes or a whole cluster. */
function endToEnd(name: string, files: string): TestProjectInlineConfiguration {
	return {
		test: {
			name,
			include: [files],
			testTimeout: 420_000,
			hookTimeout: 60_000,
			// For the file that only waits, one that has the machine, and one that needs not have it (test/helpers/alone.ts).
			maxWorkers: 3,
			// After the others, whose number of workers is another.
			sequence: { groupOrder: 1 },
		},
	};
}

export default defineConfig({
	test: {
		// More than the cores: integration tests mostly wait for other processes.
		maxWorkers: 4,
		sequence: { sequencer: FirstFiles },
		projects: [
			{
				test: {
					name: "unit",
					include: [
						"{common,events,kubernetes,protos,proxy,scaler,standalone,local,cli,test/unit,test/model,test/chaos}/**/*.test.ts",
					],
					testTimeout: 10_000,
				},
			},
			{
				test: {
					name: "integration",
					include: ["test/{integration,conformance}/**/*.test.ts"],
					testTimeout: 30_000,
					hookTimeout: 30_000,
				},
			},
			endToEnd("e2e", "test/e2e/*.test.ts"),
			endToEnd("operations", "test/{e2e/operations,cluster/tests}/*.test.ts"),
		],
	},
});
