import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Recommendation, recommendReplicas, recordRecommendation, stabilizeReplicas } from "./hpa.ts";

describe("recommendReplicas", () => {
	test.each([
		{ value: 0, replicas: 3, expected: 1, why: "never below one: zero is KEDA's" },
		{ value: 1, replicas: 1, expected: 1, why: "less than one daemon's worth" },
		{ value: 4, replicas: 1, expected: 1, why: "exactly full" },
		{ value: 5, replicas: 1, expected: 2, why: "one build more than fits" },
		{ value: 44, replicas: 10, expected: 10, why: "10 % more: inside the tolerance" },
		{ value: 45, replicas: 10, expected: 12, why: "12.5 % more: outside" },
		{ value: 36, replicas: 10, expected: 10, why: "10 % less: inside" },
		{ value: 35, replicas: 10, expected: 9, why: "12.5 % less: outside" },
		{ value: 1_000, replicas: 2, expected: 20, why: "never above the maximum" },
	])(
		"value $value at $replicas replicas of target 4 -> $expected ($why)",
		({ value, replicas, expected }) => {
			expect(recommendReplicas({ value, target: 4, replicas }, 20)).toBe(expected);
		},
	);
});

describe("stabilizeReplicas", () => {
	const window: Recommendation[] = [
		{ at: 0, replicas: 4 },
		{ at: 1_000, replicas: 2 },
	];

	test("goes up at once, whatever the window holds", () => {
		expect(stabilizeReplicas(2, 3, window)).toBe(3);
	});

	test("goes down to the highest recommendation of the window", () => {
		expect(stabilizeReplicas(5, 2, window)).toBe(4);
		expect(stabilizeReplicas(5, 2, window.slice(1))).toBe(2);
	});

	test("an old high recommendation never scales up", () => {
		expect(stabilizeReplicas(3, 2, window)).toBe(3);
	});
});

test("recordRecommendation drops what the window no longer reaches", () => {
	const history = [
		{ at: 0, replicas: 4 },
		{ at: 1, replicas: 3 },
	];
	expect(recordRecommendation(history, { at: 30_000, replicas: 1 }, 30_000)).toEqual([
		{ at: 1, replicas: 3 },
		{ at: 30_000, replicas: 1 },
	]);
});

test("law: the result lies between the present replicas and the recommendation, and within 1..max", () => {
	const count = fc.integer({ min: 1, max: 50 });
	const reading = fc.record({ value: fc.nat(500), target: count, replicas: count });
	const recommendations = fc.array(fc.record({ at: fc.nat(), replicas: count }));
	fc.assert(
		fc.property(reading, recommendations, (metric, window) => {
			const recommended = recommendReplicas(metric, 50);
			const next = stabilizeReplicas(metric.replicas, recommended, window);
			expect(next).toBeGreaterThanOrEqual(Math.min(metric.replicas, recommended));
			expect(next).toBeLessThanOrEqual(Math.max(metric.replicas, recommended));
			expect(next).toBeGreaterThanOrEqual(1);
			expect(next).toBeLessThanOrEqual(50);
		}),
	);
});

test("law: every build has a place once the recommendation is followed, but for the tolerance", () => {
	const count = fc.integer({ min: 1, max: 50 });
	fc.assert(
		fc.property(fc.nat(200), count, count, (value, target, replicas) => {
			const recommended = recommendReplicas({ value, target, replicas }, Number.POSITIVE_INFINITY);
			expect(recommended * target * 1.1 + 1e-9).toBeGreaterThanOrEqual(value);
		}),
	);
});
