import { setImmediate as turn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { createLogger } from "../../common/log.ts";
import { ManualClock } from "../../test/helpers/manual-clock.ts";
import type { Demand } from "../demand.ts";
import { noDaemons } from "../load.ts";
import { BurstAssist } from "./burst-assist.ts";
import type { Raised } from "./raise.ts";

const key = "ci/pool";

function setup(
	raise: (wanted: number, signal: AbortSignal) => Raised | Promise<Raised> = (to) => ({
		...{ t: "raised", from: 0, to, max: 10 },
	}),
) {
	const clock = new ManualClock();
	const raised: [at: number, wanted: number, object: string][] = [];
	const outcomes: string[] = [];
	const warnings: unknown[] = [];
	const log = createLogger("silent");
	log.warn = (fields: object) => void warnings.push(fields);
	let builds = 0;
	let replicas = 0;
	const demand = (): Demand => ({
		t: "known",
		...{ waiting: builds, active: 0, highestBusyOrdinal: null, capacity: 2, oldestWaitMs: 0 },
		daemons: { ...noDaemons, staying: replicas, replicas },
	});
	const assist = new BurstAssist({
		clock,
		log,
		demand,
		raise: async (wanted, { namespace, name }, signal) => {
			raised.push([clock.now(), wanted, `${namespace}/${name}`]);
			return raise(wanted, signal);
		},
		onRaise: (outcome) => outcomes.push(outcome),
	});
	onTestFinished(() => assist.close());
	const become = (changed: { builds?: number; replicas?: number }) => {
		builds = changed.builds ?? builds;
		replicas = changed.replicas ?? replicas;
		assist.changed(key);
	};
	const advance = async (ms: number) => {
		clock.advance(ms);
		await turn();
	};
	return { assist, become, advance, raised, outcomes, warnings };
}

test("clients that come one after the other are one step, once nobody comes that needs one daemon more", async () => {
	const { assist, become, advance, raised } = setup();
	assist.open(key, "so", {});
	for (let builds = 1; builds <= 8; builds++) {
		become({ builds });
		await advance(100);
	}
	// The seventh client came at 600 ms, and needs a fourth daemon.
	expect(raised).toEqual([]);
	await advance(100);
	expect(raised).toEqual([[900, 4, "ci/so"]]);
	become({ replicas: 4 });
	await advance(60_000);
	expect(raised).toHaveLength(1);
});

test("a burst that does not end is waited for a second", async () => {
	const { assist, become, advance, raised } = setup();
	assist.open(key, "so", {});
	for (let builds = 3; builds <= 16; builds++) {
		become({ builds });
		await advance(100);
	}
	expect(raised).toEqual([[1_000, 6, "ci/so"]]);
});

test("while the daemons are not there it looks again, less and less often, as KEDA may have written over it", async () => {
	const { assist, become, advance, raised } = setup();
	assist.open(key, "so", {});
	become({ builds: 8 });
	for (let step = 0; step < 600; step++) await advance(50);
	expect(raised.map(([at]) => at)).toEqual([300, 800, 1_800, 3_800, 7_800, 15_800]);
});

test("a burst that grows is a new one, up to what KEDA allows", async () => {
	const { assist, become, advance, raised } = setup();
	assist.open(key, "so", {});
	become({ builds: 8 });
	await advance(300);
	become({ builds: 30 });
	await advance(300);
	expect(raised.map(([, wanted]) => wanted)).toEqual([4, 10]);
	become({ builds: 300, replicas: 10 });
	await advance(60_000);
	expect(raised).toHaveLength(2);
});

test("without a stream of KEDA nothing is done: it is not there, or paused", async () => {
	const { assist, become, advance, raised } = setup();
	become({ builds: 8 });
	await advance(1_000);
	const first = assist.open(key, "so", {});
	const second = assist.open(key, "so", {});
	first();
	await advance(299);
	second();
	await advance(60_000);
	expect(raised).toEqual([]);
});

test("what fails is told once a minute, and tried again", async () => {
	const { assist, become, advance, raised, outcomes, warnings } = setup(() =>
		Promise.reject(new Error("away")),
	);
	assist.open(key, "so", {});
	become({ builds: 8 });
	for (let step = 0; step < 100; step++) await advance(50);
	expect(raised.length).toBeGreaterThan(3);
	expect(new Set(outcomes)).toEqual(new Set(["failed"]));
	expect(warnings).toEqual([{ pool: key, why: "away" }]);
});

test("an attempt that hangs is ended after 5 s, and none is begun beside it", async () => {
	const { assist, become, advance, raised, outcomes } = setup(
		(_, signal) =>
			new Promise<Raised>((_, reject) => {
				signal.addEventListener("abort", () => reject(signal.reason));
			}),
	);
	assist.open(key, "so", {});
	become({ builds: 8 });
	await advance(300);
	become({ builds: 12 });
	await advance(4_999);
	expect([raised.length, outcomes]).toEqual([1, []]);
	await advance(1);
	expect(outcomes).toEqual(["failed"]);
	await advance(300);
	expect(raised.at(-1)).toEqual([5_600, 6, "ci/so"]);
});
