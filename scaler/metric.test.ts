import fc from "fast-check";
import { expect, test } from "vitest";
import type { Load } from "./load.ts";
import { metricOf } from "./metric.ts";

const idle: Load = { waiting: 0, active: 0, highestBusyOrdinal: null, capacity: 4, oldestWaitMs: 0 };

test.each<[string, Partial<Load>, number]>([
	["nobody builds", {}, 0],
	["one waits", { waiting: 1 }, 1],
	["waiting and active add up", { waiting: 3, active: 6, highestBusyOrdinal: 1 }, 9],
	["the highest busy daemon is kept", { active: 1, highestBusyOrdinal: 2 }, 12],
	["daemons without an order", { active: 5 }, 5],
])("%s", (_name, load, value) => {
	expect(metricOf({ ...idle, ...load })).toEqual({ value, target: 4 });
});

test("buildsPerDaemon replaces the capacity", () => {
	expect(metricOf({ ...idle, active: 1, highestBusyOrdinal: 2 }, 10)).toEqual({ value: 30, target: 10 });
});

test("the HPA's replicas hold every build and the highest busy daemon, and zero means nobody builds", () => {
	const loads = fc.record({
		waiting: fc.nat(1_000),
		// Daemons of several builds at once, by ordinal.
		builds: fc.array(fc.nat(8), { maxLength: 50 }),
		capacity: fc.integer({ min: 1, max: 20 }),
		buildsPerDaemon: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
	});
	fc.assert(
		fc.property(loads, ({ waiting, builds, capacity, buildsPerDaemon }) => {
			const active = builds.reduce((sum, count) => sum + count, 0);
			const highest = builds.findLastIndex((count) => count > 0);
			const highestBusyOrdinal = highest < 0 ? null : highest;
			const { value, target } = metricOf(
				{ ...idle, waiting, active, highestBusyOrdinal, capacity },
				buildsPerDaemon,
			);
			const replicas = Math.ceil(value / target);
			expect(replicas * target).toBeGreaterThanOrEqual(waiting + active);
			expect(replicas).toBeGreaterThan(highest);
			expect(value > 0).toBe(waiting + active > 0);
			expect(Number.isSafeInteger(value)).toBe(true);
		}),
	);
});
