import { describe, expect, test } from "vitest";
import { ManualClock } from "../test/helpers/manual-clock.ts";
import type { PoolKey } from "./pool-key.ts";
import { type Pushed, Pusher, type PushStream } from "./push.ts";
import type { Activity } from "./push-schedule.ts";

const key: PoolKey = "default/default";
const idle: Activity = { t: "idle" };
const served: Activity = { t: "active", waiting: false };
const waiting: Activity = { t: "active", waiting: true };

function setup() {
	const clock = new ManualClock();
	const activities = new Map<PoolKey, Activity>();
	const outcomes: Pushed[] = [];
	const pusher = new Pusher({
		clock,
		activity: (pool) => activities.get(pool) ?? idle,
		onPush: (pushed) => outcomes.push(pushed),
	});
	const become = (activity: Activity, pool: PoolKey = key) => {
		activities.set(pool, activity);
		pusher.changed(pool);
	};
	return { clock, activities, outcomes, pusher, become };
}

function stream(): PushStream & { pushes: number; ended: number; blocked: boolean } {
	return {
		pushes: 0,
		ended: 0,
		blocked: false,
		push() {
			if (this.blocked) return "coalesced";
			this.pushes++;
			return "sent";
		},
		end() {
			this.ended++;
		},
	};
}

describe("on open", () => {
	test("one push when the pool is active", () => {
		const { pusher, become } = setup();
		become(served);
		const [first, second] = [stream(), stream()];
		pusher.open(key, first);
		pusher.open(key, second);
		expect([first.pushes, second.pushes]).toEqual([1, 1]);
	});

	test("one push when it became active and nobody said so yet", () => {
		const { pusher, activities } = setup();
		const [first, second] = [stream(), stream()];
		pusher.open(key, first);
		activities.set(key, served);
		pusher.open(key, second);
		expect([first.pushes, second.pushes]).toEqual([1, 1]);
	});

	test("none when it is idle, or unknown", () => {
		const { pusher, become } = setup();
		const [first, second] = [stream(), stream()];
		pusher.open(key, first);
		become({ t: "unknown" });
		pusher.open(key, second);
		expect([first.pushes, second.pushes]).toEqual([0, 0]);
	});
});

test("an edge pushes once on every stream of the pool, and on no other", () => {
	const { pusher, become } = setup();
	const [first, second, other] = [stream(), stream(), stream()];
	pusher.open(key, first);
	pusher.open(key, second);
	pusher.open("default/other", other);
	become(served);
	become(served);
	expect([first.pushes, second.pushes, other.pushes]).toEqual([1, 1, 0]);
});

test("a pool nobody knew of is pushed for when it appears", () => {
	const { pusher, activities } = setup();
	const waiter = stream();
	pusher.open("ci/new", waiter);
	activities.set("ci/new", waiting);
	pusher.allChanged();
	expect(waiter.pushes).toBe(1);
});

test("repeats come by the clock alone, and stop when nobody waits", () => {
	const { clock, pusher, become } = setup();
	const waiter = stream();
	pusher.open(key, waiter);
	become(waiting);
	clock.advance(1_000);
	expect(waiter.pushes).toBe(2);
	clock.advance(29_000);
	expect(waiter.pushes).toBe(6);
	become(served);
	clock.advance(600_000);
	expect(waiter.pushes).toBe(6);
	expect(clock.pending).toBe(0);
});

test("one timer for 1,000 streams, none when nobody waits", () => {
	const { clock, pusher, become } = setup();
	const streams = Array.from({ length: 1_000 }, stream);
	for (const opened of streams) pusher.open(key, opened);
	become(waiting);
	expect(clock.pending).toBe(1);
	become(idle);
	expect(clock.pending).toBe(0);
	expect(streams.every(({ pushes }) => pushes === 1)).toBe(true);
});

test("a slow stream does not hold up the others", () => {
	const { clock, pusher, become, outcomes } = setup();
	const [slow, quick] = [stream(), stream()];
	slow.blocked = true;
	pusher.open(key, slow);
	pusher.open(key, quick);
	become(waiting);
	clock.advance(1_000);
	expect(quick.pushes).toBe(2);
	expect(outcomes).toEqual(["coalesced", "sent", "coalesced", "sent"]);
});

describe("freeing", () => {
	test("leaves nothing behind, and may be done twice", () => {
		const { clock, pusher, become } = setup();
		become(waiting);
		for (let cycle = 0; cycle < 10_000; cycle++) {
			const free = pusher.open(key, stream());
			free();
			free();
		}
		expect(pusher.streams().size).toBe(0);
		expect(clock.pending).toBe(0);
	});

	test("the older of two streams leaves the newer working", () => {
		const { pusher, become } = setup();
		const [older, newer] = [stream(), stream()];
		const free = pusher.open(key, older);
		pusher.open(key, newer);
		free();
		become(served);
		expect([older.pushes, newer.pushes]).toEqual([0, 1]);
		expect(pusher.streams()).toEqual(new Map([[key, 1]]));
	});

	test("of a stream of an earlier group does not touch the next one", () => {
		const { pusher } = setup();
		const free = pusher.open(key, stream());
		free();
		pusher.open(key, stream());
		free();
		expect(pusher.streams().get(key)).toBe(1);
	});
});

test("stopping ends every stream once, and those that still come", () => {
	const { clock, pusher, become } = setup();
	const [open, late] = [stream(), stream()];
	const free = pusher.open(key, open);
	become(waiting);
	pusher.stop();
	pusher.open(key, late);
	free();
	become(served);
	clock.advance(60_000);
	expect([open.ended, open.pushes]).toEqual([1, 1]);
	expect([late.ended, late.pushes]).toEqual([1, 0]);
	expect(clock.pending).toBe(0);
});
