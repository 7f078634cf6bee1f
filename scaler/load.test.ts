import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { poolEvent } from "../test/helpers/pool-event.ts";
import { addLoads, type Load, loadOf } from "./load.ts";

const anyLoad: fc.Arbitrary<Load> = fc.record({
	waiting: fc.nat(),
	active: fc.nat(),
	highestBusyOrdinal: fc.option(fc.nat()),
	capacity: fc.integer({ min: 1, max: 100 }),
	oldestWaitMs: fc.nat(),
	daemons: fc.record({
		staying: fc.nat(),
		replicas: fc.nat(),
		drainingActive: fc.nat(),
		drainingByOrdinal: fc.dictionary(fc.nat(9).map(String), fc.nat()),
	}),
});

test("a snapshot's builds and its highest busy daemon", () => {
	const { snapshot } = poolEvent({ waiting: 3, oldestWaitMs: 20, busy: [2, 0, 1, 0] });
	expect(loadOf(snapshot)).toEqual({
		waiting: 3,
		active: 3,
		highestBusyOrdinal: 2,
		capacity: 4,
		oldestWaitMs: 20,
		daemons: { staying: 4, replicas: 4, drainingActive: 0, drainingByOrdinal: {} },
	});
});

test("daemons without an order have no highest", () => {
	const { snapshot } = poolEvent({ busy: [1] });
	const daemons = snapshot.daemons.map((daemon) => ({ ...daemon, ordinal: null }));
	expect(loadOf({ ...snapshot, daemons })).toMatchObject({ active: 1, highestBusyOrdinal: null });
});

test("a draining daemon with a build counts", () => {
	const { snapshot } = poolEvent({ busy: [0, 1] });
	const daemons = snapshot.daemons.map((daemon) => ({ ...daemon, draining: true }));
	expect(loadOf({ ...snapshot, daemons })).toMatchObject({ active: 1, highestBusyOrdinal: 1 });
});

describe("draining daemons", () => {
	const { snapshot } = poolEvent({ busy: [4, 1, 0, 2] });
	const draining = (...ordinals: readonly number[]) =>
		snapshot.daemons.map((daemon, at) => ({ ...daemon, draining: ordinals.includes(at) }));

	test("hold their ordinals while builds are on them, and are a StatefulSet's replicas", () => {
		expect(loadOf({ ...snapshot, daemons: draining(1, 2) }).daemons).toEqual({
			staying: 2,
			replicas: 4,
			drainingActive: 1,
			drainingByOrdinal: { 1: 1 },
		});
	});

	test("are no replicas of a Deployment", () => {
		const daemons = draining(1, 2).map((daemon) => ({ ...daemon, ordinal: null }));
		expect(loadOf({ ...snapshot, daemons }).daemons).toEqual({
			staying: 2,
			replicas: 2,
			drainingActive: 1,
			drainingByOrdinal: {},
		});
	});

	test("are the same ones for all proxies", () => {
		const of = (...ordinals: readonly number[]) => loadOf({ ...snapshot, daemons: draining(...ordinals) });
		expect(addLoads(of(1, 3), of(3)).daemons).toEqual({
			staying: 3,
			replicas: 4,
			drainingActive: 5,
			drainingByOrdinal: { 1: 1, 3: 4 },
		});
	});
});

test("the order of proxies does not matter", () => {
	fc.assert(
		fc.property(anyLoad, anyLoad, anyLoad, (a, b, c) => {
			expect(addLoads(a, b)).toEqual(addLoads(b, a));
			expect(addLoads(addLoads(a, b), c)).toEqual(addLoads(a, addLoads(b, c)));
		}),
	);
});
