// npm run chaos -- [--faults 200] [--seed N] [--keep]: real processes and real builds under random faults (docs/chaos.md).
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { endAll, runChaos } from "./run.ts";
import { World } from "./world.ts";

const { values } = parseArgs({
	options: {
		faults: { type: "string", default: "200" },
		seed: { type: "string", default: `${Math.floor(Math.random() * 1e9)}` },
		/** The logs stay, also when all went well. */
		keep: { type: "boolean", default: false },
	},
});
const faults = wholeNumber("faults", values.faults);
const seed = wholeNumber("seed", values.seed);
const again = `npm run chaos -- --faults ${faults} --seed ${seed}`;

// In memory, so that no disk is the slowest part.
const memory = "/dev/shm";
const folder = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), `bks-chaos-${seed}-`));
console.log(`chaos: seed ${seed}, ${faults} faults; logs in ${folder}`);
const startedAt = performance.now();
const world = await World.start(folder, seed);
const mishap = Promise.withResolvers<never>();
// What throws in a build or a listener, where nobody waits for it.
process.once("uncaughtException", (error) => mishap.reject(error));
for (const signal of ["SIGINT", "SIGTERM"] as const) {
	process.once(signal, () => mishap.reject(new Error(`ended by ${signal}`)));
}
try {
	await Promise.race([runChaos(world, seed, faults), mishap.promise]);
	await endAll(world);
} catch (error) {
	world.violate(`the test itself failed: ${error instanceof Error ? error.stack : error}`);
}
const last = world.timeline.last();
await world.cleanup.run();
report(last);
process.exit();

function report(last: readonly string[]): void {
	const { builds, failures, wakes, spared, longestWaitMs, answers, violations } = world;
	const excused = failures.filter((failure) => failure.excused).length;
	const struck = [...world.faults].sort(([, a], [, b]) => b - a);
	const total = struck.reduce((sum, [, count]) => sum + count, 0);
	const kinds = struck.map(([kind, count]) => `${kind} ${count}`).join(", ");
	console.log(`chaos: ${total} faults (${world.missed} more met nobody): ${kinds}`);
	const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
	console.log(
		`chaos: ${builds} builds, ${wakes} wakes, longest wait ${(longestWaitMs / 1_000).toFixed(1)} s, in ${seconds} s`,
	);
	console.log(
		`chaos: demand was read ${answers.known} times, ${answers.zero} of them 0, and ${answers.unknown} times unknown`,
	);
	console.log(`chaos: ${spared} builds were on a daemon when that was told to go`);
	console.log(
		`chaos: ${failures.length - excused} builds killed; ${excused} more were on a process that a fault killed`,
	);
	if (violations.length === 0) {
		if (!values.keep) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
		return;
	}
	// Of use are the logs; the daemons' caches are large.
	rmSync(join(folder, "daemons"), { recursive: true, force: true, maxRetries: 5 });
	console.error(`chaos: FAILED, ${violations.length} violations:\n  ${violations.join("\n  ")}`);
	console.error(`chaos: the last that happened:\n${last.join("\n")}`);
	console.error(`chaos: timeline and logs are in ${folder}; the same faults again: ${again}`);
	process.exitCode = 1;
}

function wholeNumber(flag: string, text: string): number {
	if (!/^\d{1,9}$/.test(text)) throw new TypeError(`--${flag}: must be a whole number, not "${text}"`);
	return Number(text);
}
