import fc from "fast-check";
import { expect, test } from "vitest";
import { poolEvent } from "../test/helpers/pool-event.ts";
import { addLoads, type Load, loadOf } from "./load.ts";

const anyLoad: fc.Arbitrary<Load> = fc.record({
	waiting: fc.nat(),
	active: fc.nat(),
	highestBusyOrdinal: fc.option(fc.nat()),
	capacity: fc.integer({ min: 1, max: 100 }),
	oldestWaitMs: fc.nat(),
});

test("a snapshot's builds and its highest busy daemon", () => {
	const { snapshot } = poolEvent({ waiting: 3, oldestWaitMs: 20, busy: [2, 0, 1, 0] });
	expect(loadOf(snapshot)).toEqual({
		waiting: 3,
		active: 3,
		highestBusyOrdinal: 2,
		capacity: 4,
		oldestWaitMs: 20,
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

test("the order of proxies does not matter", () => {
	fc.assert(
		fc.property(anyLoad, anyLoad, anyLoad, (a, b, c) => {
			expect(addLoads(a, b)).toEqual(addLoads(b, a));
			expect(addLoads(addLoads(a, b), c)).toEqual(addLoads(a, addLoads(b, c)));
		}),
	);
});
