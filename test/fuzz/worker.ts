// Runs the laws in a thread of its own, so that main.ts can see it hang. workerData: FuzzOrder.
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";
import fc, { type Arbitrary, type RunDetails } from "fast-check";
import { makeCertificates } from "../compat/pools.ts";
import { Cleanup } from "../helpers/cleanup.ts";
import { workFolder } from "../helpers/work-folder.ts";
import { anyAnswer, anyCuts, anyHeaderBlock, anyOpening } from "./openings.ts";
import type { FuzzOrder, FuzzReport } from "./order.ts";
import * as laws from "./reader-laws.ts";
import { type Knock, startFuzzedProxy, tlsModes } from "./socket-laws.ts";

const { seed, seconds }: FuzzOrder = workerData;

/** Growth of memory that is no leak: caches, metrics, code. */
const allowedGrowthBytes = 48 * 1024 * 1024;
/** So many at once that each wait of one is used by the others. */
const maxKnocks = 64;

/** How often the main thread hears that the worker does not hang. */
const heartbeatMs = 500;

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

function memoryInUse(): number {
	collectGarbage();
	const { heapUsed, external } = process.memoryUsage();
	return heapUsed + external;
}

function report(what: FuzzReport): void {
	parentPort?.postMessage(what);
}

/** Tries inputs for this long; the first that breaks a law is made smaller and reported. */
async function tryFor<T>(
	name: string,
	share: number,
	inputs: Arbitrary<T>,
	law: (input: T) => void | Promise<void>,
	size: (input: T) => number = () => 1,
): Promise<void> {
	let tried = 0;
	let heardAt = 0;
	let running = Promise.resolve();
	const property = fc.asyncProperty(inputs, async (input) => {
		if (performance.now() - heardAt > heartbeatMs) {
			heardAt = performance.now();
			report({ t: "trying", law: name, tried });
		}
		running = (async () => law(input))();
		await running;
		tried += size(input);
	});
	const details: RunDetails<[T]> = await fc.check(property, {
		seed,
		numRuns: Number.MAX_SAFE_INTEGER,
		interruptAfterTimeLimit: share * seconds * 1_000,
	});
	if (details.failed) return report({ t: "failed", law: name, details: explain(details) });
	try {
		// The time limit does not wait for the last one.
		await running;
		report({ t: "held", law: name, tried });
	} catch (error) {
		report({ t: "failed", law: name, details: `${error}, with the last input` });
	}
}

function explain<T>({
	counterexample,
	errorInstance,
	numShrinks,
	counterexamplePath,
}: RunDetails<[T]>): string {
	const input = JSON.stringify(counterexample, (_key, value) => asHex(value), "  ");
	const why = errorInstance instanceof Error ? errorInstance.stack : String(errorInstance);
	return `${why}\ninput, after ${numShrinks} simplifications (path ${counterexamplePath}):\n${input}`;
}

/** Bytes as hex; what JSON has made of a Buffer already, too. */
function asHex(value: unknown): unknown {
	const isBuffer = typeof value === "object" && value !== null && "type" in value && value.type === "Buffer";
	if (!isBuffer || !("data" in value) || !Array.isArray(value.data)) return value;
	return Buffer.from(value.data).toString("hex");
}

/** A closed socket stays for some turns of the event loop; one that stays longer was forgotten. */
async function socketsLeft(): Promise<number> {
	for (let patience = 100; ; patience--) {
		const left = process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
		if (left === 0 || patience === 0) return left;
		await sleep(20);
	}
}

/** The proxy's limits are short, not zero: most of its share goes into waiting, hence many clients at once. */
async function trySockets(share: number): Promise<void> {
	let uncaught: unknown;
	process.on("uncaughtException", (error) => {
		uncaught ??= error;
	});
	const cleanup = new Cleanup();
	const proxy = await startFuzzedProxy(makeCertificates(workFolder(cleanup)).daemon);
	const anyKnock: Arbitrary<Knock> = fc.record({
		opening: anyOpening,
		cuts: anyCuts,
		finally: fc.constantFrom("stay", "stay", "end", "reset"),
		secured: fc.boolean(),
	});
	const anyVisit = fc.record({
		at: fc.constantFrom(...tlsModes),
		knocks: fc.array(anyKnock, { maxLength: maxKnocks, size: "max" }),
		answer: anyAnswer,
	});
	type Visit = typeof anyVisit extends Arbitrary<infer T> ? T : never;
	const law = async ({ at, knocks, answer }: Visit) => {
		uncaught = undefined;
		await proxy.knock(at, knocks, answer);
		if (uncaught !== undefined) throw uncaught;
	};
	const count = ({ knocks }: Visit) => knocks.length;
	// What the first visits leave (metrics, code) stays for good.
	await tryFor("every connection ends (warming up)", share / 4, anyVisit, law, count);
	const before = memoryInUse();
	await tryFor("every connection ends", (share * 3) / 4, anyVisit, law, count);
	const grown = memoryInUse() - before;
	await proxy.close();
	await cleanup.run();
	const sockets = await socketsLeft();
	const mib = (grown / 1024 / 1024).toFixed(1);
	const details = `${mib} MiB more memory, ${sockets} sockets left`;
	if (grown > allowedGrowthBytes || sockets > 0)
		report({ t: "failed", law: "nothing is left behind", details });
	else report({ t: "note", text: details });
}

const opened = fc.tuple(anyOpening, anyCuts);
await tryFor("every byte is accounted for", 0.1, opened, ([bytes, cuts]) =>
	laws.everyByteIsAccountedFor(bytes, cuts),
);
await tryFor("splitting changes nothing", 0.1, opened, ([bytes, cuts]) =>
	laws.splittingChangesNothing(bytes, cuts),
);
await tryFor("a release loses nothing", 0.1, fc.tuple(opened, fc.nat(5_000)), ([[bytes, cuts], at]) =>
	laws.releaseLosesNothing(bytes, at, cuts),
);
await tryFor("a header block is read or refused", 0.06, anyHeaderBlock, laws.blockIsReadOrRefused);
await tryFor("a daemon's first frame is judged", 0.05, fc.tuple(anyAnswer, anyCuts), ([bytes, cuts]) =>
	laws.firstFrameIsJudged(bytes, cuts),
);
await tryFor("a TLS hello is read or refused", 0.1, opened, ([bytes, cuts]) =>
	laws.helloIsReadOrRefused(bytes, cuts),
);
await trySockets(0.45);
