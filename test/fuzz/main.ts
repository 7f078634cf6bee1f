// npm run fuzz -- [--seconds 60] [--seed N]: hostile openings against the pure readers, then against a real proxy on
// sockets. Never throws, never hangs, memory bounded, every connection ends. Prints its seed; the same seed tries the
// same inputs in the same order.
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import type { FuzzOrder, FuzzReport } from "./order.ts";

/** Longer than any time limit that socket-laws.ts leaves to a connection. */
const hangsAfterMs = 30_000;
/** Of the worker's heap; what the network makes it keep must not come near. */
const maxHeapMb = 512;

function wholeNumber(flag: string, text: string): number {
	if (!/^\d{1,9}$/.test(text)) throw new TypeError(`--${flag}: must be a whole number, not "${text}"`);
	return Number(text);
}

function readOrder(): FuzzOrder {
	const { values } = parseArgs({
		options: {
			seconds: { type: "string", default: "60" },
			seed: { type: "string", default: `${Math.floor(Math.random() * 1e9)}` },
		},
	});
	return { seconds: wholeNumber("seconds", values.seconds), seed: wholeNumber("seed", values.seed) };
}

function describe(error: unknown): string {
	return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

const order = readOrder();
console.log(`fuzz: seed ${order.seed}, ${order.seconds} s`);
const worker = new Worker(new URL("./worker.ts", import.meta.url), {
	workerData: order,
	resourceLimits: { maxOldGenerationSizeMb: maxHeapMb },
});
let at = "the start";

function fail(why: string): void {
	console.error(
		`fuzz: FAILED: ${why}\nfuzz: again with: npm run fuzz -- --seconds ${order.seconds} --seed ${order.seed}`,
	);
	process.exitCode = 1;
}

const watchdog = setTimeout(() => {
	fail(`it hangs in ${at}`);
	void worker.terminate();
}, hangsAfterMs);

worker.on("message", (report: FuzzReport) => {
	watchdog.refresh();
	switch (report.t) {
		case "trying":
			at = `"${report.law}" after ${report.tried} inputs`;
			return;
		case "held":
			return console.log(`fuzz: ${report.law}: ${report.tried} inputs`);
		case "note":
			return console.log(`fuzz: ${report.text}`);
		case "failed":
			return fail(`${report.law}\n${report.details}`);
	}
});
worker.on("error", (error) => fail(`${at} ended the process: ${describe(error)}`));
worker.on("exit", () => clearTimeout(watchdog));
