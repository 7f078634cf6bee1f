import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { leaseMs } from "../../events/schema.ts";
import { type EventParts, poolEvent } from "../../test/helpers/pool-event.ts";
import { type BusView, type Demand, demandOf, syncMs } from "../demand.ts";
import { Ledger } from "../ledger.ts";
import type { Expected, ProxyPod } from "./expected.ts";

const absentAfterMs = 600_000;
const connected: BusView = { t: "connected", since: 0 };
/** Long after the connect. */
const now = 1_000_000;

function pod(name: string, parts: Partial<ProxyPod> = {}): ProxyPod {
	return {
		t: "pod",
		name,
		admin: `${name}:8081`,
		terminating: false,
		listedAt: now - 20_000,
		emptyAt: undefined,
		...parts,
	};
}

function listed(...proxies: readonly ProxyPod[]): Expected {
	return { t: "listed", proxies, current: true };
}

/** What is demanded at `at`, each event having been received at its own `at`. */
function demand(
	expected: Expected,
	events: readonly (EventParts & { at?: number })[],
	{ bus = connected, at = now }: { bus?: BusView; at?: number } = {},
): Demand {
	const ledger = new Ledger();
	for (const { at: receivedAt = now, ...parts } of events) ledger.record(poolEvent(parts), receivedAt);
	return demandOf(ledger.get("default/default"), bus, at, { absentAfterMs, expected });
}

const reasonOf = (of: Demand) => (of.t === "unknown" ? of.reason : of.t);

describe("a proxy that is listed and was never heard", () => {
	const expected = listed(pod("a"), pod("b"));

	test("makes the demand unknown, whatever others say; what is certain is said", () => {
		expect(demand(expected, [{ proxy: "a:1234", waiting: 2 }])).toMatchObject({
			t: "unknown",
			reason: "proxy b has not reported",
			atLeast: { waiting: 2 },
		});
		expect(reasonOf(demand(expected, []))).toBe("proxy a has not reported");
	});

	test("until it speaks, by the pod's name with a port or without", () => {
		for (const proxy of ["b", "b:1234"])
			expect(demand(expected, [{ proxy: "a" }, { proxy, waiting: 1 }])).toMatchObject({
				t: "known",
				waiting: 1,
			});
		expect(reasonOf(demand(expected, [{ proxy: "a" }, { proxy: "b2" }]))).toBe("proxy b has not reported");
	});

	test("or was read at its address, under whatever id; an older word from there was another's", () => {
		const read = (at: number) => [{ proxy: "a" }, { proxy: "custom", admin: "b:8081", waiting: 1, at }];
		expect(demand(expected, read(now - 20_000))).toMatchObject({ t: "known", waiting: 1 });
		expect(reasonOf(demand(expected, read(now - 20_001)))).toBe("proxy b has not reported");
	});

	test("or nobody listens there, a moment ago", () => {
		const empty = (emptyAt: number) => demand(listed(pod("a"), pod("b", { emptyAt })), [{ proxy: "a" }]);
		expect(empty(now - 4_999).t).toBe("known");
		expect(empty(now - 5_000).t).toBe("unknown");
	});

	test("or for absentAfter", () => {
		const since = (listedAt: number) => demand(listed(pod("a"), pod("b", { listedAt })), [{ proxy: "a" }]);
		expect(since(now - absentAfterMs + 1).t).toBe("unknown");
		expect(since(now - absentAfterMs).t).toBe("known");
	});
});

describe("a proxy that is listed and silent", () => {
	const expected = listed(pod("a"), pod("b"));
	const silent = now - leaseMs - 1;

	test("counts with its last word", () => {
		const said = demand(expected, [{ proxy: "a" }, { proxy: "b", busy: [0, 3], at: silent }]);
		expect(said).toMatchObject({ t: "known", active: 3, highestBusyOrdinal: 1 });
	});

	test("is not believed when all add up to zero", () => {
		const said = demand(expected, [{ proxy: "a" }, { proxy: "b", at: silent }]);
		expect(reasonOf(said)).toBe("proxy b is silent, and no other reports a build");
	});

	test("is gone after its goodbye, for good if it terminates; else it has a lease to begin again", () => {
		const saidGoodbye = (ageMs: number, terminating: boolean, listedMs = 300_000) => {
			const goodbye = { proxy: "b:1234", type: "proxy.stopped", at: now - ageMs } as const;
			const b = pod("b", { terminating, listedAt: now - listedMs });
			return demand(listed(pod("a"), b), [{ proxy: "a" }, goodbye]);
		};
		expect(saidGoodbye(200_000, true)).toMatchObject({ t: "known", active: 0 });
		expect(saidGoodbye(leaseMs, false)).toMatchObject({ t: "known", active: 0 });
		expect(reasonOf(saidGoodbye(leaseMs + 1, false))).toBe("proxy b has not reported");
		// A pod of the same name that came after the goodbye.
		expect(reasonOf(saidGoodbye(1_000, true, 999))).toBe("proxy b has not reported");
	});

	test("and counts until then, although it is listed no more", () => {
		const said = demand(listed(pod("a")), [{ proxy: "a" }, { proxy: "b", busy: [2], at: silent }]);
		expect(said).toMatchObject({ t: "known", active: 2 });
	});
});

describe("the list itself", () => {
	test("is waited for", () => {
		expect(reasonOf(demand({ t: "unlisted", why: "forbidden" }, [{ proxy: "a", waiting: 1 }]))).toBe(
			"forbidden",
		);
	});

	test("may be old while the bus is there, not without it", () => {
		const old: Expected = { t: "listed", proxies: [pod("a")], current: false };
		const gone: BusView = { t: "disconnected", reason: "gone" };
		const said = [{ proxy: "a", waiting: 1 }];
		expect(demand(old, said)).toMatchObject({ t: "known", waiting: 1 });
		expect(reasonOf(demand(old, said, { bus: gone }))).toBe(
			"the bus is disconnected (gone), and the list of proxies is old",
		);
		expect(demand(listed(pod("a")), said, { bus: gone })).toMatchObject({ t: "known", waiting: 1 });
	});

	test("of nobody is a pool without proxies", () => {
		expect(demand(listed(), []).t).toBe("absent");
	});

	test("lets the demand be known at once after a connect, when all in it have spoken", () => {
		const early = { bus: { t: "connected", since: now - 100 } as const };
		expect(demand(listed(pod("a")), [{ proxy: "a" }], early).t).toBe("known");
		expect(demand(listed(pod("a"), pod("b")), [{ proxy: "a" }], early).t).toBe("unknown");
		expect(syncMs).toBeGreaterThan(100);
	});
});

test("zero is known only if each proxy that is listed said zero within its lease, said goodbye, or is not there", () => {
	const proxyArbitrary = fc.record({
		word: fc.option(
			fc.record({
				ageMs: fc.integer({ min: 0, max: 2 * leaseMs }),
				waiting: fc.integer({ min: 0, max: 1 }),
				isGoodbye: fc.boolean(),
			}),
		),
		emptyMs: fc.option(fc.integer({ min: 0, max: 10_000 }), { nil: undefined }),
	});
	fc.assert(
		fc.property(fc.array(proxyArbitrary, { minLength: 1, maxLength: 4 }), (proxies) => {
			const pods = proxies.map(({ emptyMs }, n) =>
				pod(`p${n}`, { emptyAt: emptyMs === undefined ? undefined : now - emptyMs }),
			);
			const events = proxies.flatMap(({ word }, n) => {
				if (word === null) return [];
				const type = word.isGoodbye ? ("proxy.stopped" as const) : ("proxy.state" as const);
				return [{ proxy: `p${n}`, type, waiting: word.waiting, at: now - word.ageMs }];
			});
			const said = demand(listed(...pods), events);
			if (said.t !== "known" || said.waiting > 0) return;
			for (const { word, emptyMs } of proxies) {
				if (word === null) expect(emptyMs).toBeLessThan(5_000);
				else if (!word.isGoodbye) expect([word.waiting, word.ageMs <= leaseMs]).toEqual([0, true]);
			}
		}),
	);
});
