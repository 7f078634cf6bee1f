import { defineConfig } from "vitest/config";

export default defineConfig({
	test: {
		// More than the cores: integration tests mostly wait for other processes.
		maxWorkers: 4,
		projects: [
			{
				test: {
					name: "unit",
					include: ["{common,events,protos,proxy,scaler,local,cli,test/unit}/**/*.test.ts"],
					testTimeout: 10_000,
				},
			},
			{
				test: {
					name: "integration",
					include: ["test/integration/**/*.test.ts"],
					testTimeout: 30_000,
					hookTimeout: 30_000,
				},
			},
			{
				test: {
					name: "e2e",
					include: ["test/e2e/**/*.test.ts"],
					exclude: ["test/e2e/kube-*.test.ts"],
					testTimeout: 420_000,
					hookTimeout: 60_000,
					// Several of them measure, and only one cluster fits on a machine.
					fileParallelism: false,
				},
			},
			{
				test: {
					name: "kube",
					include: ["test/e2e/kube-*.test.ts"],
					testTimeout: 420_000,
					hookTimeout: 60_000,
					// Several of them measure, and only one cluster fits on a machine.
					fileParallelism: false,
				},
			},
		],
	},
});
