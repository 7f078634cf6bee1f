import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { leaseMs } from "../events/schema.ts";
import { type EventParts, poolEvent } from "../test/helpers/pool-event.ts";
import {
	type BusView,
	capacityOf,
	type Demand,
	type DemandOptions,
	demandOf,
	isStale,
	syncMs,
} from "./demand.ts";
import { expectIds } from "./expected/expected.ts";
import { Ledger, type PoolRecord } from "./ledger.ts";

const options: DemandOptions = { absentAfterMs: 600_000 };
const connected: BusView = { t: "connected", since: 0 };

/** The record after each event was received at its `at`. */
function recordOf(...events: readonly (EventParts & { at?: number })[]): PoolRecord | undefined {
	const ledger = new Ledger();
	for (const { at = 0, ...parts } of events) ledger.record(poolEvent(parts), at);
	return ledger.get("default/default");
}

describe("known", () => {
	test("the builds of all proxies together", () => {
		const record = recordOf(
			{ proxy: "a", waiting: 2, oldestWaitMs: 100, busy: [4, 1], at: 10_000 },
			{ proxy: "b", waiting: 1, oldestWaitMs: 300, busy: [0, 0, 3], capacity: 8, at: 10_000 },
		);
		expect(demandOf(record, connected, 10_500, options)).toEqual({
			t: "known",
			waiting: 3,
			active: 8,
			highestBusyOrdinal: 2,
			capacity: 4,
			oldestWaitMs: 800,
			daemons: { staying: 3, replicas: 3, drainingActive: 0, drainingByOrdinal: {} },
		});
	});

	test("zero, when every proxy says so", () => {
		const record = recordOf({ proxy: "a", at: 10_000 }, { proxy: "b", at: 9_000 });
		expect(demandOf(record, connected, 10_000, options)).toMatchObject({ t: "known", waiting: 0, active: 0 });
	});

	test("a proxy past its lease counts with its last word", () => {
		const record = recordOf({ proxy: "a", busy: [1] }, { proxy: "b", waiting: 1, sequence: 1, at: 50_000 });
		expect(demandOf(record, connected, 50_000, options)).toMatchObject({ t: "known", waiting: 1, active: 1 });
	});

	test("zero, when all proxies said goodbye", () => {
		const record = recordOf({ busy: [1] }, { type: "proxy.stopped", sequence: 1 });
		expect(demandOf(record, connected, 10_000_000, options)).toMatchObject({
			t: "known",
			waiting: 0,
			active: 0,
		});
	});
});

describe("unknown", () => {
	const reasonOf = (demand: Demand) => (demand.t === "unknown" ? demand.reason : demand.t);

	test("while the bus is disconnected, whatever was said", () => {
		const record = recordOf({ at: 10_000 });
		const bus: BusView = { t: "disconnected", reason: "NATS at n:1: connection refused" };
		expect(reasonOf(demandOf(record, bus, 10_000, options))).toBe(
			"the bus is disconnected: NATS at n:1: connection refused",
		);
	});

	test("but for words that were read from all proxies, where they are named", () => {
		const bus: BusView = { t: "disconnected", reason: "gone" };
		const expecting = { ...options, expected: expectIds(["a", "b"]) };
		const at = (a: number, b: number) => recordOf({ proxy: "a", at: a }, { proxy: "b", waiting: 1, at: b });
		expect(demandOf(at(50_000, 50_000), bus, 60_000, expecting)).toMatchObject({ t: "known", waiting: 1 });
		expect(reasonOf(demandOf(at(40_000, 50_000), bus, 60_000, expecting))).toBe(
			"the bus is disconnected (gone), waiting for the proxies to report",
		);
	});

	test("until every live proxy had time to report after a connect", () => {
		const record = recordOf({ busy: [1], at: 100 });
		expect(reasonOf(demandOf(record, connected, syncMs - 1, options))).toBe(
			"waiting for the proxies to report",
		);
		expect(demandOf(record, connected, syncMs, options)).toMatchObject({ t: "known", active: 1 });
	});

	test("or, where the proxies are named, until each of them has", () => {
		const expecting = { ...options, expected: expectIds(["a", "b"]) };
		const one = recordOf({ proxy: "a", busy: [1], at: 100 });
		expect(demandOf(one, connected, 60_000, expecting).t).toBe("unknown");
		const both = recordOf({ proxy: "a", busy: [1], at: 100 }, { proxy: "b", type: "proxy.stopped", at: 101 });
		expect(demandOf(both, connected, 102, expecting)).toMatchObject({ t: "known", active: 1 });
		const before: BusView = { t: "connected", since: 101.5 };
		expect(demandOf(both, before, 102, expecting).t).toBe("unknown");
	});

	test("a named proxy that never comes does not hold the pool for ever", () => {
		const expecting = { ...options, expected: expectIds(["gone"]) };
		const record = recordOf({ proxy: "a", at: 600_000 });
		expect(demandOf(record, connected, 600_000, expecting).t).toBe("known");
	});

	test("when the total is zero and a proxy is past its lease", () => {
		const record = recordOf({ proxy: "a", at: 10_000 }, { proxy: "b", at: 40_000 });
		expect(demandOf(record, connected, 10_000 + leaseMs, options).t).toBe("known");
		expect(reasonOf(demandOf(record, connected, 10_001 + leaseMs, options))).toBe(
			"proxy a is silent, and no other reports a build",
		);
	});

	test("when the total is zero and a proxy has not spoken since the bus came back", () => {
		const record = recordOf({ proxy: "a", at: 10_000 }, { proxy: "b", at: 11_500 });
		const back: BusView = { t: "connected", since: 11_000 };
		expect(demandOf(record, back, 11_000 + syncMs, options).t).toBe("unknown");
	});

	test("while proxies are refused for lack of room", () => {
		const ledger = new Ledger({ maxPools: 1, maxProxiesPerPool: 1 });
		ledger.record(poolEvent({ proxy: "a", busy: [1] }), 10_000);
		ledger.record(poolEvent({ proxy: "b", busy: [1] }), 10_000);
		const record = ledger.get("default/default");
		expect(demandOf(record, connected, 20_000, options).t).toBe("unknown");
		expect(demandOf(record, connected, 610_000, options).t).not.toBe("unknown");
	});

	test("names the builds that are certain nevertheless", () => {
		const record = recordOf({ proxy: "old", waiting: 4 }, { proxy: "a", waiting: 2, busy: [3], at: 20_000 });
		const bus: BusView = { t: "disconnected", reason: "x" };
		expect(demandOf(record, bus, 20_000, options)).toMatchObject({ atLeast: { waiting: 2, active: 3 } });
	});
});

describe("absent", () => {
	test("a pool never heard of, once synced", () => {
		expect(demandOf(undefined, connected, syncMs - 1, options).t).toBe("unknown");
		expect(demandOf(undefined, connected, syncMs, options)).toEqual({ t: "absent" });
	});

	test("a pool whose proxies have all been silent for long", () => {
		const record = recordOf({ busy: [1], at: 1_000 });
		expect(demandOf(record, connected, 600_999, options)).toMatchObject({ t: "known", active: 1 });
		expect(demandOf(record, connected, 601_000, options)).toEqual({ t: "absent" });
	});

	test("an outage of the bus is not silence of a proxy", () => {
		const record = recordOf({ busy: [1], at: 1_000 });
		const back: BusView = { t: "connected", since: 5_000_000 };
		expect(demandOf(record, back, 5_000_000 + syncMs, options)).toMatchObject({ t: "known", active: 1 });
	});
});

test("capacity is known while demand is not, and is the smallest", () => {
	const record = recordOf(
		{ proxy: "a", capacity: 8 },
		{ proxy: "b", capacity: 2 },
		{ proxy: "c", capacity: 4 },
	);
	expect(record && capacityOf(record)).toBe(2);
	const stopped = recordOf({ capacity: 8 }, { type: "proxy.stopped", capacity: 8, sequence: 1 });
	expect(stopped && capacityOf(stopped)).toBe(8);
});

describe("laws, over any history", () => {
	const history = fc.array(
		fc.record({
			proxy: fc.constantFrom("a", "b", "c"),
			type: fc.constantFrom("proxy.state", "proxy.state", "proxy.state", "proxy.stopped"),
			incarnation: fc.integer({ min: 1, max: 2 }),
			sequence: fc.integer({ min: 0, max: 8 }),
			waiting: fc.constantFrom(0, 0, 0, 1, 5),
			busy: fc.constantFrom([], [0], [1], [0, 2]),
			at: fc.integer({ min: 0, max: 700_000 }),
		}),
	);
	const moments = fc.record({
		since: fc.integer({ min: 0, max: 700_000 }),
		now: fc.integer({ min: 0, max: 1_400_000 }),
	});

	function sorted(events: (EventParts & { at: number })[]): PoolRecord | undefined {
		return recordOf(...events.toSorted((a, b) => a.at - b.at));
	}

	test("zero is never known while a proxy that counts is stale", () => {
		fc.assert(
			fc.property(history, moments, (events, { since, now }) => {
				const record = sorted(events.filter(({ at }) => at <= now));
				fc.pre(now >= since);
				const demand = demandOf(record, { t: "connected", since }, now, options);
				if (demand.t !== "known" || demand.waiting + demand.active > 0) return;
				for (const word of record?.words.values() ?? []) {
					const silentMs = now - Math.max(word.receivedAt, since);
					expect(!isStale(word, since, now) || silentMs >= options.absentAfterMs).toBe(true);
				}
			}),
			{ numRuns: 1_000 },
		);
	});

	test("known is never lower than the last words of the proxies that count", () => {
		fc.assert(
			fc.property(history, moments, (events, { since, now }) => {
				const record = sorted(events.filter(({ at }) => at <= now));
				fc.pre(now >= since);
				const demand = demandOf(record, { t: "connected", since }, now, options);
				if (demand.t !== "known") return;
				let builds = 0;
				for (const { load, receivedAt } of record?.words.values() ?? []) {
					if (now - Math.max(receivedAt, since) < options.absentAfterMs) builds += load.waiting + load.active;
				}
				expect(demand.waiting + demand.active).toBeGreaterThanOrEqual(builds);
			}),
			{ numRuns: 1_000 },
		);
	});

	test("without a bus nothing is known", () => {
		fc.assert(
			fc.property(history, moments, (events, { now }) => {
				expect(demandOf(sorted(events), { t: "disconnected", reason: "x" }, now, options).t).toBe("unknown");
			}),
		);
	});
});
