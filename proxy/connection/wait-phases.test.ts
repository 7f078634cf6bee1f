import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AsleepTime, BuildWait } from "./wait-phases.ts";

describe("BuildWait", () => {
	test("the build that wakes a pool waits for nothing but the wake and the first frame", () => {
		const asleep = new AsleepTime(0);
		const wait = new BuildWait(1_000, asleep);
		wait.assigned(61_000, 60_990);
		asleep.update(true, 61_000);
		expect(wait.times(61_300)).toEqual({ wake: 60_000, queue: 0, dial: 0, firstByte: 300 });
	});

	test("one that came behind it waits for a place too, and for its own connect", () => {
		const asleep = new AsleepTime(0);
		const wait = new BuildWait(1_000, asleep);
		asleep.update(true, 61_000);
		wait.assigned(64_000, 63_990);
		expect(wait.times(64_005)).toEqual({ wake: 60_000, queue: 2_990, dial: 10, firstByte: 5 });
	});

	test("on a pool that is up there is no wake", () => {
		const asleep = new AsleepTime(0);
		asleep.update(true, 10);
		const wait = new BuildWait(1_000, asleep);
		wait.assigned(1_002, 1_000);
		expect(wait.times(1_003)).toEqual({ wake: 0, queue: 0, dial: 2, firstByte: 1 });
	});

	test("a connect that was begun for somebody else counts from when the build came", () => {
		const asleep = new AsleepTime(0);
		asleep.update(true, 0);
		const wait = new BuildWait(1_000, asleep);
		wait.assigned(1_005, 900);
		expect(wait.times(1_005)).toEqual({ wake: 0, queue: 0, dial: 5, firstByte: 0 });
	});

	test("a daemon that failed before its first frame costs queue time", () => {
		const asleep = new AsleepTime(0);
		asleep.update(true, 0);
		const wait = new BuildWait(0, asleep);
		wait.assigned(10, 5);
		wait.returned();
		wait.assigned(50, 48);
		expect(wait.times(51)).toEqual({ wake: 0, queue: 48, dial: 2, firstByte: 1 });
	});

	test("the phases are never negative and always the whole wait", () => {
		const step = fc.record({ ms: fc.nat(1_000), isUp: fc.boolean() });
		fc.assert(
			fc.property(
				fc.array(step, { maxLength: 20 }),
				fc.array(step, { maxLength: 20 }),
				fc.nat(5_000),
				fc.nat(1_000),
				(before, during, dialMs, firstByteMs) => {
					const asleep = new AsleepTime(0);
					let now = 0;
					const play = (steps: typeof before) => {
						for (const { ms, isUp } of steps) {
							now += ms;
							asleep.update(isUp, now);
						}
					};
					play(before);
					const openedAt = now;
					const wait = new BuildWait(openedAt, asleep);
					play(during);
					wait.assigned(now, Math.max(0, now - dialMs));
					const times = Object.values(wait.times(now + firstByteMs));
					expect(Math.min(...times)).toBeGreaterThanOrEqual(0);
					expect(times.reduce((a, b) => a + b)).toBeCloseTo(now + firstByteMs - openedAt, 6);
				},
			),
		);
	});
});
