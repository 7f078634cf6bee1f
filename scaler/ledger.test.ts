import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { heartbeatMs } from "../events/schema.ts";
import { type EventParts, poolEvent } from "../test/helpers/pool-event.ts";
import { Ledger, type Recorded } from "./ledger.ts";

const key = "default/default";

function recordAll(ledger: Ledger, ...events: readonly EventParts[]): Recorded[] {
	return events.map((parts, index) => ledger.record(poolEvent(parts), index));
}

describe("which message counts", () => {
	test("the newest sequence of an incarnation", () => {
		const ledger = new Ledger();
		expect(
			recordAll(
				ledger,
				{ sequence: 5, waiting: 2 },
				{ sequence: 5, waiting: 9 },
				{ sequence: 4, waiting: 9 },
			),
		).toEqual(["applied", "outdated", "outdated"]);
		expect(ledger.get(key)?.words.get("proxy-0")).toMatchObject({ sequence: 5, load: { waiting: 2 } });
	});

	test("no longer that of a proxy that is known to be gone, until it speaks anew", () => {
		const ledger = new Ledger();
		recordAll(ledger, { proxy: "a", waiting: 1 }, { proxy: "b", waiting: 1 });
		expect([ledger.leave(key, "a"), ledger.leave(key, "a"), ledger.leave("other/other", "a")]).toEqual([
			true,
			false,
			false,
		]);
		expect([...(ledger.get(key)?.words.keys() ?? [])]).toEqual(["b"]);
		expect(recordAll(ledger, { proxy: "a", incarnation: 2 })).toEqual(["applied"]);
	});

	test("the newest incarnation, whatever its sequence", () => {
		const ledger = new Ledger();
		expect(
			recordAll(
				ledger,
				{ incarnation: 1, sequence: 50, waiting: 2 },
				{ incarnation: 2, sequence: 0, waiting: 1 },
				{ incarnation: 1, sequence: 51, waiting: 9 },
			),
		).toEqual(["applied", "applied", "outdated"]);
		expect(ledger.get(key)?.words.get("proxy-0")).toMatchObject({ incarnation: 2, load: { waiting: 1 } });
	});

	test("nothing of an incarnation that said goodbye, but the next one", () => {
		const ledger = new Ledger();
		expect(
			recordAll(
				ledger,
				{ sequence: 1, waiting: 2 },
				{ type: "proxy.stopped", sequence: 3 },
				{ sequence: 2, waiting: 9 },
				{ sequence: 4, waiting: 9 },
			),
		).toEqual(["applied", "applied", "outdated", "outdated"]);
		expect(ledger.get(key)?.words.size).toBe(0);
		expect(recordAll(ledger, { incarnation: 2, waiting: 1 })).toEqual(["applied"]);
	});

	test("an old goodbye does not end a newer incarnation", () => {
		const ledger = new Ledger();
		expect(
			recordAll(ledger, { incarnation: 2 }, { type: "proxy.stopped", incarnation: 1, sequence: 9 }),
		).toEqual(["applied", "outdated"]);
		expect(ledger.get(key)?.words.size).toBe(1);
	});

	test("whatever is lost, repeated or reordered, once the newest message is there it alone counts", () => {
		const messages = fc.array(
			fc.record({
				proxy: fc.constantFrom("a", "b"),
				incarnation: fc.integer({ min: 1, max: 3 }),
				sequence: fc.integer({ min: 0, max: 5 }),
			}),
			{ minLength: 1 },
		);
		fc.assert(
			fc.property(messages, (received) => {
				const ledger = new Ledger();
				// A message is what its proxy, incarnation and sequence say: repeats are equal.
				const waitingOf = ({ incarnation, sequence }: { incarnation: number; sequence: number }) =>
					incarnation * 10 + sequence;
				recordAll(ledger, ...received.map((message) => ({ ...message, waiting: waitingOf(message) })));
				for (const proxy of new Set(received.map((message) => message.proxy))) {
					const newest = Math.max(...received.filter((m) => m.proxy === proxy).map(waitingOf));
					expect(ledger.get(key)?.words.get(proxy)?.load.waiting).toBe(newest);
				}
			}),
		);
	});
});

describe("two processes with one id, and clocks that jump", () => {
	const later = heartbeatMs + 10;
	const at = (ledger: Ledger, now: number, parts: EventParts) => ledger.record(poolEvent(parts), now);
	const active = (ledger: Ledger) =>
		[...(ledger.get(key)?.words.values() ?? [])].reduce((sum, { load }) => sum + load.active, 0);

	test("both count when the older one goes on speaking, and each is up to date", () => {
		const ledger = new Ledger();
		const older = { incarnation: 1, busy: [3] };
		const newer = { incarnation: 2, busy: [0, 1] };
		const recorded = [0, 1, 2, 3, 4].flatMap((round) => [
			at(ledger, round * later, { ...older, sequence: round }),
			at(ledger, round * later + 1, { ...newer, sequence: round }),
		]);
		expect(recorded.slice(0, 4)).toEqual(["applied", "applied", "twin", "applied"]);
		expect(recorded.slice(4).filter((_, index) => index % 2 === 0)).toEqual(["twin", "twin", "twin"]);
		expect(active(ledger)).toBe(4);
		at(ledger, 5 * later, { ...older, sequence: 5, busy: [2] });
		expect(active(ledger)).toBe(3);
		expect(at(ledger, 5 * later, { ...older, sequence: 5, busy: [9] })).toBe("outdated");
	});

	test("one of them says goodbye: the other still counts", () => {
		const ledger = new Ledger();
		at(ledger, 0, { incarnation: 1, busy: [3] });
		at(ledger, 1, { incarnation: 2 });
		at(ledger, 2, { incarnation: 2, sequence: 1, type: "proxy.stopped" });
		expect(at(ledger, 3, { incarnation: 1, sequence: 1, busy: [3] })).toBe("outdated");
		expect(at(ledger, 3 + later, { incarnation: 1, sequence: 2, busy: [3] })).toBe("applied");
		expect(at(ledger, 4 + later, { incarnation: 1, sequence: 3, busy: [3] })).toBe("applied");
		expect(active(ledger)).toBe(3);
		expect(ledger.get(key)?.words.size).toBe(1);
		// And then that one.
		at(ledger, 5 + later, { incarnation: 1, sequence: 4, type: "proxy.stopped" });
		expect(active(ledger)).toBe(0);
	});

	test("a twin's goodbye takes the twin alone", () => {
		const ledger = new Ledger();
		at(ledger, 0, { incarnation: 2, busy: [1] });
		at(ledger, later, { incarnation: 1, busy: [3] });
		expect(active(ledger)).toBe(4);
		expect(at(ledger, later, { incarnation: 1, sequence: 1, type: "proxy.stopped" })).toBe("twin");
		expect(active(ledger)).toBe(1);
	});

	test("a proxy that started again after its clock was put back is heard", () => {
		const ledger = new Ledger();
		at(ledger, 0, { incarnation: 2_000, sequence: 40 });
		expect(at(ledger, later, { incarnation: 1_000, waiting: 1 })).toBe("twin");
		const stopped = new Ledger();
		at(stopped, 0, { incarnation: 2_000, sequence: 40, type: "proxy.stopped" });
		expect(at(stopped, later, { incarnation: 1_000, waiting: 1 })).toBe("applied");
	});

	test("a proxy that starts again and again has no twin", () => {
		const ledger = new Ledger();
		for (let incarnation = 1; incarnation <= 50; incarnation++)
			expect(at(ledger, incarnation * later, { incarnation, busy: [1] })).toBe("applied");
		expect(ledger.get(key)?.words.size).toBe(1);
	});

	test("twins take bounded room", () => {
		const ledger = new Ledger({ maxPools: 1, maxProxiesPerPool: 3 });
		at(ledger, 0, { incarnation: 100 });
		const recorded = [1, 2, 3, 4].map((incarnation) => at(ledger, later, { incarnation }));
		expect(recorded).toEqual(["twin", "twin", "refused", "refused"]);
	});
});

describe("bounds", () => {
	test("one pool too many is refused, until one has stopped", () => {
		const ledger = new Ledger({ maxPools: 2, maxProxiesPerPool: 2 });
		expect(recordAll(ledger, { pool: "a" }, { pool: "b" }, { pool: "c" })).toEqual([
			"applied",
			"applied",
			"refused",
		]);
		recordAll(ledger, { pool: "a", type: "proxy.stopped", sequence: 1 });
		expect(recordAll(ledger, { pool: "c" })).toEqual(["applied"]);
		expect([...ledger.pools()].map(([pool]) => pool)).toEqual(["default/b", "default/c"]);
	});

	test("one proxy too many is refused, and the pool remembers when", () => {
		const ledger = new Ledger({ maxPools: 1, maxProxiesPerPool: 2 });
		expect(
			recordAll(ledger, { proxy: "a" }, { proxy: "b" }, { proxy: "c" }, { proxy: "a", sequence: 1 }),
		).toEqual(["applied", "applied", "refused", "applied"]);
		expect(ledger.get(key)).toMatchObject({ refusedAt: 2 });
		expect(ledger.get(key)?.words.size).toBe(2);
	});

	test("goodbyes of many proxies take bounded room", () => {
		const ledger = new Ledger({ maxPools: 1, maxProxiesPerPool: 3 });
		for (let index = 0; index < 100; index++) {
			recordAll(ledger, { proxy: `p${index}` }, { proxy: `p${index}`, type: "proxy.stopped", sequence: 1 });
		}
		expect([...(ledger.get(key)?.goodbyes.keys() ?? [])]).toEqual(["p97", "p98", "p99"]);
	});
});

describe("forgetting", () => {
	test("a pool whose last word is gone is forgotten, one that was stopped is not", () => {
		const ledger = new Ledger();
		recordAll(
			ledger,
			{ pool: "silent" },
			{ pool: "stopped" },
			{ pool: "stopped", type: "proxy.stopped", sequence: 1 },
		);
		ledger.forget(() => true);
		expect([...ledger.pools()].map(([pool]) => pool)).toEqual(["default/stopped"]);
	});

	test("only what is gone is forgotten", () => {
		const ledger = new Ledger();
		recordAll(ledger, { proxy: "old" }, { proxy: "new" });
		ledger.forget(({ receivedAt }) => receivedAt < 1);
		expect([...(ledger.get(key)?.words.keys() ?? [])]).toEqual(["new"]);
	});
});
