import fc from "fast-check";
import { expect, test } from "vitest";
import { type Activity, activityOf, nextPush, type PushState } from "./push-schedule.ts";

const idle: Activity = { t: "idle" };
const served: Activity = { t: "active", waiting: false };
const waiting: Activity = { t: "active", waiting: true };
const unknown: Activity = { t: "unknown" };

/** The times at which a pool is pushed for, checked every `stepMs` over what it does from each time on. */
function pushTimes(changes: readonly (readonly [number, Activity])[], endMs: number, stepMs = 100): number[] {
	const times: number[] = [];
	let state: PushState = { t: "idle" };
	for (let now = 0; now <= endMs; now += stepMs) {
		const activity = changes.findLast(([at]) => at <= now)?.[1] ?? idle;
		const next = nextPush(state, activity, now);
		if (next.push) times.push(now);
		state = next.state;
	}
	return times;
}

test("once when the pool becomes active, never while it is served", () => {
	expect(pushTimes([[500, served]], 600_000)).toEqual([500]);
});

test("never while idle", () => {
	expect(pushTimes([], 600_000)).toEqual([]);
});

test("again after 1, 2, 4, 8, 15, 15 … s while somebody waits", () => {
	expect(pushTimes([[500, waiting]], 62_000)).toEqual([
		500, 1_500, 3_500, 7_500, 15_500, 30_500, 45_500, 60_500,
	]);
});

test("no more once everybody is served, and from the start for the next wait", () => {
	expect(
		pushTimes(
			[
				[0, waiting],
				[4_000, served],
				[10_000, waiting],
				[12_000, idle],
				[20_000, served],
			],
			60_000,
		),
	).toEqual([0, 1_000, 3_000, 11_000, 20_000]);
});

test("an outage of the bus neither pushes nor makes an edge", () => {
	expect(
		pushTimes(
			[
				[0, served],
				[1_000, unknown],
				[30_000, served],
			],
			60_000,
		),
	).toEqual([0]);
});

test("a repeat that fell into an outage comes right after it", () => {
	expect(
		pushTimes(
			[
				[0, waiting],
				[500, unknown],
				[30_000, waiting],
			],
			32_500,
		),
	).toEqual([0, 30_000, 32_000]);
});

test("what unknown demand knows for certain is worth a push", () => {
	const demand = (waiting: number, active: number) => ({
		t: "unknown" as const,
		reason: "x",
		atLeast: { waiting, active },
	});
	expect(activityOf(demand(1, 0))).toEqual(waiting);
	expect(activityOf(demand(0, 1))).toEqual(served);
	expect(activityOf(demand(0, 0))).toEqual(unknown);
	expect(activityOf({ t: "absent" })).toEqual(idle);
});

test("law: an edge pushes once, a repeat never comes within a second of the push before", () => {
	const activity = fc.constantFrom(idle, served, waiting, unknown);
	const steps = fc.array(fc.record({ activity, afterMs: fc.integer({ min: 0, max: 5_000 }) }));
	fc.assert(
		fc.property(steps, (history) => {
			let state: PushState = { t: "idle" };
			let now = 0;
			let pushedAt = Number.NEGATIVE_INFINITY;
			for (const { activity: current, afterMs } of history) {
				now += afterMs;
				const before = state;
				const next = nextPush(state, current, now);
				state = next.state;
				expect(next.push && current.t !== "active").toBe(false);
				if (before.t === "idle") expect(next.push).toBe(current.t === "active");
				else if (next.push) expect(now - pushedAt).toBeGreaterThanOrEqual(1_000);
				if (next.push) pushedAt = now;
			}
		}),
	);
});
