import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type EventParts, poolEvent } from "../test/helpers/pool-event.ts";
import { type Load, loadOf, noDaemons } from "./load.ts";
import { metricOf } from "./metric.ts";
import { recommendReplicas } from "./replicas/hpa.ts";

const idle: Load = {
	waiting: 0,
	active: 0,
	highestBusyOrdinal: null,
	capacity: 4,
	oldestWaitMs: 0,
	daemons: noDaemons,
};

/** What a proxy says of a pool: the builds on each daemon by its ordinal, and which of them drain. */
function load(parts: EventParts, draining: readonly number[] = []): Load {
	const { snapshot } = poolEvent(parts);
	const daemons = snapshot.daemons.map((daemon, at) => ({ ...daemon, draining: draining.includes(at) }));
	return loadOf({ ...snapshot, daemons });
}

test.each<[string, Partial<Load>, number]>([
	["nobody builds", {}, 0],
	["one waits", { waiting: 1 }, 1],
	["waiting and active add up", { waiting: 3, active: 6, highestBusyOrdinal: 1 }, 9],
	["the highest busy daemon is kept", { active: 1, highestBusyOrdinal: 2 }, 12],
	["daemons without an order", { active: 5 }, 5],
])("%s", (_name, parts, value) => {
	expect(metricOf({ ...idle, ...parts })).toEqual({ value, target: 4 });
});

test("buildsPerDaemon replaces the capacity", () => {
	const { value, target } = metricOf({ ...idle, active: 1, highestBusyOrdinal: 2 }, { buildsPerDaemon: 10 });
	expect({ value, target }).toEqual({ value: 30, target: 10 });
});

describe("a draining daemon", () => {
	test("with a build counts as full: who waits gets the next ordinal", () => {
		// 12 builds fit on the others; the 13th needs pod 4, as pod 3 holds its place.
		const full = load({ busy: [4, 4, 4, 1], waiting: 1 }, [3]);
		expect(Math.ceil(metricOf(full, { tolerance: 0 }).value / 4)).toBe(5);
		const room = load({ busy: [4, 4, 3, 1], waiting: 1 }, [3]);
		expect(Math.ceil(metricOf(room, { tolerance: 0 }).value / 4)).toBe(4);
	});

	test("without one is about to be gone, and gives up its place", () => {
		expect(metricOf(load({ busy: [4, 4, 4, 0] }, [3])).value).toBe(12);
	});

	test("without one comes back for who waits, and keeps him from another one for 10 s", () => {
		const woken = load({ busy: [0], waiting: 1 }, [0]);
		expect(metricOf(woken).value).toBe(1);
		expect(metricOf({ ...woken, oldestWaitMs: 9_999 }).value).toBe(1);
		// Its node may be gone: the next ordinal needs not wait for that.
		expect(metricOf({ ...woken, oldestWaitMs: 10_000 }).value).toBe(5);
	});

	test("of a Deployment has its successor already", () => {
		const { snapshot } = poolEvent({ busy: [4, 1] });
		const daemons = snapshot.daemons.map((daemon, at) => ({ ...daemon, ordinal: null, draining: at === 1 }));
		expect(metricOf(loadOf({ ...snapshot, daemons })).value).toBe(5);
	});
});

describe("the HPA's tolerance", () => {
	const replicasFor = (of: Load, replicas: number, tolerance?: number) =>
		recommendReplicas({ ...metricOf(of, { tolerance }), replicas }, Number.POSITIVE_INFINITY);

	test.each([
		[3, 1, 4],
		[9, 1, 10],
		// The least that the HPA acts on.
		[10, 1, 12],
		[10, 5, 12],
		[20, 1, 23],
		[20, 30, 28],
	])("%i full daemons and %i builds that wait: %i daemons", (full, waiting, replicas) => {
		const busy = Array.from({ length: full }, () => 4);
		expect(replicasFor(load({ busy, waiting }), full)).toBe(replicas);
	});

	test("is not made up for where a daemon has room, or is just starting", () => {
		const busy = [...Array.from({ length: 9 }, () => 4), 0];
		expect(metricOf(load({ busy, waiting: 4 })).value).toBe(40);
	});

	test("is as the ScaledObject says", () => {
		const busy = Array.from({ length: 10 }, () => 4);
		expect(metricOf(load({ busy, waiting: 1 }), { tolerance: 0 }).value).toBe(41);
		expect(metricOf(load({ busy, waiting: 1 }), { tolerance: 0.25 }).value).toBe(51);
	});

	test("does not cost the highest busy daemon where one below it is missing", () => {
		const { snapshot } = poolEvent({ busy: Array.from({ length: 11 }, () => 1) });
		const of = loadOf({ ...snapshot, daemons: snapshot.daemons.toSpliced(4, 1) });
		expect(replicasFor(of, 10)).toBeGreaterThanOrEqual(11);
	});
});

describe("laws, with the HPA's rule, for any StatefulSet", () => {
	const pool = fc.record({
		capacity: fc.integer({ min: 1, max: 12 }),
		/** By ordinal: builds at most, whether it drains, whether it is there. */
		pods: fc.array(
			fc.record({
				builds: fc.nat(12),
				draining: fc.constantFrom(true, false, false, false),
				there: fc.constantFrom(true, true, true, true, true, false),
			}),
			{ maxLength: 60 },
		),
		waiting: fc.nat(100),
		tolerance: fc.constantFrom(undefined, 0.1, 0, 0.05, 0.2),
	});

	function modelOf({
		capacity,
		pods,
		waiting,
		tolerance,
	}: typeof pool extends fc.Arbitrary<infer T> ? T : never) {
		const listed = pods.flatMap(({ builds, draining, there }, ordinal) =>
			there ? [{ ordinal, active: Math.min(builds, capacity), draining }] : [],
		);
		const { snapshot } = poolEvent({ waiting, capacity });
		const daemons = listed.map((pod) => ({ ...pod, name: `d-${pod.ordinal}`, idle: 0 }));
		const metric = metricOf(loadOf({ ...snapshot, daemons }), { tolerance });
		const replicas = listed.length;
		const usage = replicas === 0 ? Number.POSITIVE_INFINITY : metric.value / (metric.target * replicas);
		// recommendReplicas with the tolerance of this cluster.
		const near = Math.abs(usage - 1) <= (tolerance ?? 0.1) + 1e-12;
		return { listed, metric, wanted: near ? replicas : Math.ceil(metric.value / metric.target) };
	}

	test("everybody who waits has a place once the recommendation is followed", () => {
		fc.assert(
			fc.property(pool, (parts) => {
				const { listed, wanted } = modelOf(parts);
				const { capacity, waiting } = parts;
				const staying = listed.filter(({ draining }) => !draining);
				const active = staying.reduce((sum, { active }) => sum + active, 0);
				// A pod that still builds while it drains keeps its ordinal from being made anew.
				const blocked = listed.filter(({ draining, active }) => draining && active > 0).length;
				const places = Math.max(wanted - blocked, staying.length) * capacity;
				if (waiting > 0) expect(places).toBeGreaterThanOrEqual(waiting + active);
			}),
			{ numRuns: 5_000 },
		);
	});

	test("no busy daemon is taken away", () => {
		fc.assert(
			fc.property(pool, (parts) => {
				const { listed, wanted } = modelOf(parts);
				const highest = listed.findLast(({ active }) => active > 0)?.ordinal ?? -1;
				expect(wanted).toBeGreaterThan(highest);
			}),
			{ numRuns: 5_000 },
		);
	});
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
				{ buildsPerDaemon },
			);
			const replicas = Math.ceil(value / target);
			expect(replicas * target).toBeGreaterThanOrEqual(waiting + active);
			expect(replicas).toBeGreaterThan(highest);
			expect(value > 0).toBe(waiting + active > 0);
			expect(Number.isSafeInteger(value)).toBe(true);
		}),
	);
});
