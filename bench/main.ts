// npm run bench -- [scenario] [options]: the proxy side by side with its rivals, as ratios. See --help.
import { Cleanup } from "../test/helpers/cleanup.ts";
import { describeMachine } from "./machine.ts";
import { useOwnNetwork } from "./network.ts";
import { type BenchOptions, readOptions, type ScenarioName, UsageError, usage } from "./options.ts";
import { connect } from "./scenarios/connect.ts";
import { echo } from "./scenarios/echo.ts";
import { holds } from "./scenarios/holds.ts";
import { push } from "./scenarios/push.ts";
import { relay } from "./scenarios/relay.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { soak } from "./scenarios/soak.ts";
import { streams } from "./scenarios/streams.ts";
import { upload } from "./scenarios/upload.ts";
import { isMet, verdict } from "./verdict.ts";

const scenarios: Readonly<Record<ScenarioName, Scenario>> = {
	upload,
	connect,
	relay,
	echo,
	push,
	holds,
	streams,
	soak,
};

const exit = { clean: 0, failed: 1, usage: 2, interrupted: 130 } as const;

async function main(): Promise<number> {
	const options = readOptions(process.argv.slice(2));
	if (options === undefined) {
		process.stdout.write(usage);
		return exit.clean;
	}
	await useOwnNetwork();
	process.stdout.write(describeMachine());
	let missed = false;
	for (const name of options.scenarios) {
		process.stdout.write("\n");
		for (const threshold of await measure(name, options)) {
			process.stdout.write(verdict(threshold));
			missed ||= !isMet(threshold);
		}
	}
	return missed && options.assert ? exit.failed : exit.clean;
}

/** Runs a scenario and leaves nothing of it behind, also when it fails or somebody presses Ctrl-C. */
async function measure(name: ScenarioName, options: BenchOptions) {
	const cleanup = new Cleanup();
	let interruption: Promise<never> | undefined;
	const interrupted = () => {
		interruption ??= cleanup.run().then(() => process.exit(exit.interrupted));
	};
	process.on("SIGINT", interrupted);
	process.on("SIGTERM", interrupted);
	try {
		return await scenarios[name](options, cleanup);
	} catch (error) {
		// What ends under an interrupted scenario is no news.
		throw interruption === undefined ? error : await interruption;
	} finally {
		await cleanup.run();
		process.off("SIGINT", interrupted);
		process.off("SIGTERM", interrupted);
	}
}

try {
	process.exitCode = await main();
} catch (error) {
	process.stderr.write(`bench: ${error instanceof Error ? error.message : error}\n`);
	process.exitCode = error instanceof UsageError ? exit.usage : exit.failed;
}
