import { describe, expect, test } from "vitest";
import { Liveness, livenessSampleMs, livenessWindowMs } from "./liveness.ts";

describe("Liveness", () => {
	test("bytes both ways every 5 s are a build, for hours", () => {
		const liveness = new Liveness(0);
		for (let now = 0; now < 4 * 3_600_000; now += livenessSampleMs) {
			expect(liveness.sample(now, now + 1, now + 1)).toBe(true);
		}
	});

	test("silence is idle only after the window", () => {
		const liveness = new Liveness(0);
		liveness.sample(0, 100, 100);
		expect(liveness.sample(livenessWindowMs, 100, 100)).toBe(true);
		expect(liveness.sample(livenessWindowMs + 1, 100, 100)).toBe(false);
	});

	test.each([
		["client", 1, 0],
		["daemon", 0, 1],
	])("one side alone is no build: only the %s talks", (_side, fromClient, fromDaemon) => {
		const liveness = new Liveness(0);
		let active = true;
		for (let now = 0; now <= 40_000; now += 5_000)
			active = liveness.sample(now, now * fromClient, now * fromDaemon);
		expect(active).toBe(false);
	});

	test("an idle connection that talks again is a build again", () => {
		const liveness = new Liveness(0);
		expect(liveness.sample(60_000, 0, 0)).toBe(false);
		expect(liveness.sample(65_000, 10, 10)).toBe(true);
	});
});
