import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ManualBus } from "../../test/helpers/manual-bus.ts";
import { ManualClock } from "../../test/helpers/manual-clock.ts";
import { poolEvent } from "../../test/helpers/pool-event.ts";
import { syncMs } from "../demand.ts";
import { DemandTracker } from "../demand-tracker.ts";
import { loadOf } from "../load.ts";
import type { DaemonWord } from "./daemon-word.ts";
import { VerifiedDemand } from "./verified-demand.ts";
import { verifiedZero } from "./verified-zero.ts";
import { ZeroVerifier } from "./zero-verifier.ts";

const key = "default/default";

/** A pool of two daemons whose one proxy says that nobody builds. */
function setup() {
	const clock = new ManualClock();
	const bus = new ManualBus();
	const tracker = new DemandTracker({ bus, clock, absentAfterMs: 600_000, onRecorded: () => {} });
	const asked: string[] = [];
	const words: Record<string, DaemonWord | Promise<DaemonWord>> = {};
	const verifier = new ZeroVerifier({
		clock,
		ask: async (address) => {
			asked.push(address);
			return words[address] ?? { t: "down" };
		},
		onAnswer: () => {},
	});
	const say = (
		sequence: number,
		busy: readonly number[],
		type: "proxy.state" | "proxy.stopped" = "proxy.state",
		waiting = 0,
	) => {
		const event = poolEvent({ type, busy, sequence, waiting });
		const daemons = event.snapshot.daemons.map((daemon) => ({ ...daemon, address: `${daemon.name}:1234` }));
		bus.publish({ ...event, snapshot: { ...event.snapshot, daemons } } as typeof event);
	};
	clock.advance(syncMs);
	say(0, [0, 0]);
	const demand = new VerifiedDemand(tracker, verifier);
	const settled = async () => {
		await demand.settle(key);
		return demand.demand(key);
	};
	return { clock, bus, demand, settled, asked, words, say };
}

describe("a pool whose proxies say that nobody builds", () => {
	test("is zero once its daemons say so too, or nobody listens there; they are asked once a second", async () => {
		const { demand, settled, asked, words, clock } = setup();
		words["daemon-0:1234"] = { t: "builds", count: 0 };
		expect(demand.demand(key)).toMatchObject({ t: "unknown" });
		expect(await settled()).toMatchObject({ t: "known", active: 0, waiting: 0 });
		await settled();
		expect(asked.toSorted()).toEqual(["daemon-0:1234", "daemon-1:1234"]);
		clock.advance(1_000);
		await settled();
		expect(asked).toHaveLength(4);
	});

	test("is kept by a build that came around the proxies, with the ordinal of its daemon", async () => {
		const { settled, words } = setup();
		words["daemon-1:1234"] = { t: "builds", count: 3 };
		expect(await settled()).toMatchObject({ t: "known", active: 3, highestBusyOrdinal: 1 });
	});

	test("is unknown while one of them cannot be asked", async () => {
		const { settled, words } = setup();
		words["daemon-0:1234"] = { t: "builds", count: 1 };
		words["daemon-1:1234"] = { t: "unknown", why: "no answer within 0.8 s" };
		const reason =
			"nobody builds through a proxy, and daemon daemon-1 cannot be asked: no answer within 0.8 s";
		expect(await settled()).toMatchObject({ t: "unknown", reason });
	});

	test("is asked also after its last proxy has said goodbye", async () => {
		const { settled, words, say } = setup();
		words["daemon-0:1234"] = { t: "builds", count: 1 };
		say(1, [0, 0], "proxy.stopped");
		expect(await settled()).toMatchObject({ t: "known", active: 1 });
	});

	test("is known to a call that settled on an answer that is just about to grow old", async () => {
		const { demand, settled, clock, asked } = setup();
		await settled();
		clock.advance(999);
		await demand.settle(key);
		clock.advance(2);
		expect(demand.demand(key)).toMatchObject({ t: "known" });
		expect(asked).toHaveLength(2);
	});

	describe("while a daemon that is gone leaves its question without an answer", () => {
		const never = new Promise<DaemonWord>(() => {});

		test("a client that comes is told of at once", async () => {
			const { settled, words, say } = setup();
			words["daemon-0:1234"] = never;
			const answers = Promise.all([settled(), settled()]);
			say(1, [0, 0], "proxy.state", 1);
			expect(await answers).toMatchObject([{ waiting: 1 }, { waiting: 1 }]);
		});

		test("a lost bus is told of at once", async () => {
			const { bus, settled, words } = setup();
			words["daemon-0:1234"] = never;
			const answer = settled();
			bus.become({ t: "disconnected", reason: "gone" });
			expect(await answer).toMatchObject({ t: "unknown" });
		});

		test("the answer waits while nothing but the daemons' loads change", async () => {
			const { settled, words, say } = setup();
			const { promise, resolve } = Promise.withResolvers<DaemonWord>();
			words["daemon-0:1234"] = promise;
			const answer = settled();
			say(1, [0, 0]);
			const first = await Promise.race([answer, new Promise((soon) => setImmediate(soon, "still waits"))]);
			expect(first).toBe("still waits");
			resolve({ t: "builds", count: 1 });
			expect(await answer).toMatchObject({ t: "known", active: 1 });
		});
	});

	test("many who ask at once share the answers", async () => {
		const { settled, asked } = setup();
		await Promise.all(Array.from({ length: 50 }, settled));
		expect(asked).toHaveLength(2);
	});
});

test("a pool with a build is not asked", async () => {
	const { settled, asked, say } = setup();
	say(1, [1, 0]);
	expect(await settled()).toMatchObject({ t: "known", active: 1 });
	expect(asked).toEqual([]);
});

test("zero is known only if no daemon builds and none is unknown; else every build counts", () => {
	const word = fc.oneof(
		fc.record({ t: fc.constant("builds" as const), count: fc.nat(3) }),
		fc.constant({ t: "down" } as const),
		fc.constant({ t: "unknown", why: "?" } as const),
	);
	const zero = loadOf(poolEvent().snapshot);
	fc.assert(
		fc.property(fc.array(word, { maxLength: 8 }), (words) => {
			const daemons = words.map((said, ordinal) => ({
				daemon: { name: `d-${ordinal}`, ordinal, address: `d-${ordinal}:1` },
				word: said,
			}));
			const demand = verifiedZero(zero, daemons);
			const counts = words.map((said) => (said.t === "builds" ? said.count : 0));
			if (words.some(({ t }) => t === "unknown")) {
				expect(demand.t).toBe("unknown");
				return;
			}
			const highest = counts.findLastIndex((count) => count > 0);
			expect(demand).toMatchObject({
				t: "known",
				active: counts.reduce((sum, count) => sum + count, 0),
				highestBusyOrdinal: highest === -1 ? null : highest,
			});
		}),
	);
});

test("a large pool is asked in turns, and what is not asked in time is unknown", async () => {
	const clock = new ManualClock();
	const daemons = Array.from({ length: 200 }, (_, i) => ({
		name: `d-${i}`,
		ordinal: i,
		address: `d-${i}:1`,
	}));
	let open = 0;
	let mostOpen = 0;
	const verifier = new ZeroVerifier({
		clock,
		async ask() {
			mostOpen = Math.max(mostOpen, ++open);
			await Promise.resolve();
			clock.advance(5);
			open--;
			return { t: "builds", count: 0 };
		},
		onAnswer: () => {},
	});
	await verifier.settle(key, daemons);
	const unknown = verifier.words(key, daemons).filter(({ word }) => word.t === "unknown");
	expect(mostOpen).toBe(64);
	expect(unknown.length).toBeGreaterThan(0);
	expect(unknown.length).toBeLessThan(200);
});
