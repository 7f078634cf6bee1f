import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Demand } from "../scaler/demand.ts";
import { type DaemonCounts, noDaemons } from "../scaler/load.ts";
import { type DecisionInput, decide, newMemory, type ScalingMemory, type ScalingRules } from "./decision.ts";

const rules: ScalingRules = { maxReplicas: 10, idleTimeoutMs: 120_000, capacity: 4, shrinks: true };
const longAgo: ScalingMemory = { lastActiveAt: -1_000_000, recommendations: [] };

function known(waiting: number, active: number, more: Partial<Demand & { t: "known" }> = {}): Demand {
	const capacity = 4;
	const rest = { highestBusyOrdinal: null, capacity, oldestWaitMs: 0, daemons: noDaemons };
	return { t: "known", waiting, active, ...rest, ...more };
}

function unknown(waiting = 0, active = 0): Demand {
	return { t: "unknown", reason: "because", atLeast: { waiting, active } };
}

function replicasFor(input: Partial<DecisionInput>, of = rules): number {
	const all = { demand: known(0, 0), isWhole: true, replicas: 0, now: 0, memory: longAgo, ...input };
	return decide(all, of).replicas;
}

const staying = (count: number): DaemonCounts => ({ ...noDaemons, staying: count, replicas: count });

describe("up", () => {
	test.each([
		[1, 1],
		[4, 1],
		[5, 2],
		[17, 5],
		[400, 10],
	])("%i waiting builds wake a pool at zero straight to %i daemons", (waiting, replicas) => {
		expect(replicasFor({ demand: known(waiting, 0) })).toBe(replicas);
	});

	test("one build more than there is room for is one daemon more: there is no tolerance", () => {
		const full = { highestBusyOrdinal: 4, daemons: staying(5) };
		expect(replicasFor({ replicas: 5, demand: known(1, 20, full) })).toBe(6);
		expect(replicasFor({ replicas: 5, demand: known(0, 20, full) })).toBe(5);
	});

	test("builds that are certain are enough to wake, whatever else is not known", () => {
		expect(replicasFor({ demand: unknown(5, 0) })).toBe(2);
		expect(replicasFor({ demand: unknown(400, 0) })).toBe(10);
		expect(replicasFor({ demand: known(5, 0), isWhole: false })).toBe(2);
	});
});

describe("down", () => {
	test("to zero when nobody builds for longer than the idle timeout", () => {
		const memory = { lastActiveAt: 0, recommendations: [] };
		expect(replicasFor({ replicas: 3, now: 120_000, memory })).toBeGreaterThan(0);
		expect(replicasFor({ replicas: 3, now: 120_001, memory })).toBe(0);
	});

	test("a process that has just begun lowers nothing for an idle timeout, and then only what is too much", () => {
		const memory = newMemory(0);
		const one = known(0, 1, { highestBusyOrdinal: 0, daemons: staying(5) });
		expect(replicasFor({ replicas: 5, now: 119_999, memory })).toBe(5);
		expect(replicasFor({ replicas: 5, now: 119_999, memory, demand: one })).toBe(5);
		expect(replicasFor({ replicas: 5, now: 120_001, memory })).toBe(0);
		expect(replicasFor({ replicas: 5, now: 120_000, memory, demand: one })).toBe(1);
	});

	test("some, as far as the most that was needed within the idle timeout", () => {
		const memory = { lastActiveAt: 0, recommendations: [{ at: 0, replicas: 3 }] };
		const demand = known(0, 1, { highestBusyOrdinal: 0, daemons: staying(5) });
		expect(replicasFor({ replicas: 5, now: 119_999, memory, demand })).toBe(3);
		expect(replicasFor({ replicas: 5, now: 120_000, memory, demand })).toBe(1);
		expect(replicasFor({ replicas: 5, now: 120_000, memory, demand }, { ...rules, shrinks: false })).toBe(5);
		expect(replicasFor({ replicas: 5, now: 120_001, memory }, { ...rules, shrinks: false })).toBe(0);
	});

	test("never what is not known, or not all of it", () => {
		expect(replicasFor({ replicas: 3, demand: unknown() })).toBe(3);
		expect(replicasFor({ replicas: 3, demand: unknown(1, 0) })).toBe(3);
		expect(replicasFor({ replicas: 3, demand: { t: "absent" } })).toBe(3);
		expect(replicasFor({ replicas: 3, isWhole: false })).toBe(3);
	});

	test("never below the highest busy ordinal, also where more run than there may be", () => {
		const demand = known(0, 1, { highestBusyOrdinal: 6, daemons: staying(8) });
		expect(replicasFor({ replicas: 8, demand })).toBe(7);
		expect(replicasFor({ replicas: 8, demand }, { ...rules, maxReplicas: 2 })).toBe(7);
	});
});

const load = fc
	.record({
		waiting: fc.nat(60),
		busy: fc.array(fc.record({ ordinal: fc.nat(14), builds: fc.integer({ min: 1, max: 4 }) }), {
			maxLength: 8,
		}),
		daemons: fc.nat(15),
	})
	.map(({ waiting, busy, daemons }) => {
		const active = busy.reduce((sum, { builds }) => sum + builds, 0);
		const highestBusyOrdinal = busy.length === 0 ? null : Math.max(...busy.map(({ ordinal }) => ordinal));
		return known(waiting, active, { highestBusyOrdinal, daemons: staying(daemons) });
	});
const demand = fc.oneof(
	{ weight: 4, arbitrary: load },
	fc.tuple(fc.nat(20), fc.nat(20)).map(([waiting, active]) => unknown(waiting, active)),
	fc.constant<Demand>({ t: "absent" }),
);

test("laws: unknown never lowers, zero needs an idle timeout of known zero, the highest busy ordinal stays", () => {
	const step = fc.record({ demand, isWhole: fc.boolean(), afterMs: fc.nat(90_000) });
	fc.assert(
		fc.property(fc.array(step, { maxLength: 60 }), fc.nat(12), (steps, first) => {
			let replicas = first;
			let now = 0;
			let memory = newMemory(0);
			let activeAt = 0;
			for (const { demand, isWhole, afterMs } of steps) {
				now += afterMs;
				const isActive =
					demand.t === "known"
						? demand.waiting + demand.active > 0
						: demand.t === "unknown" && demand.atLeast.waiting + demand.atLeast.active > 0;
				if (isActive) activeAt = now;
				const decision = decide({ demand, isWhole, replicas, now, memory }, rules);
				if (demand.t !== "known" || !isWhole) expect(decision.replicas).toBeGreaterThanOrEqual(replicas);
				if (decision.replicas === 0 && replicas > 0)
					expect(now - activeAt).toBeGreaterThan(rules.idleTimeoutMs);
				if (isActive) expect(decision.replicas).toBeGreaterThan(0);
				if (demand.t === "known" && demand.highestBusyOrdinal !== null)
					expect(decision.replicas).toBeGreaterThanOrEqual(Math.min(replicas, demand.highestBusyOrdinal + 1));
				expect(decision.replicas).toBeLessThanOrEqual(Math.max(replicas, rules.maxReplicas));
				({ replicas, memory } = decision);
			}
		}),
	);
});
