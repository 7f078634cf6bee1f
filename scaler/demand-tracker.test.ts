import { expect, test } from "vitest";
import { heartbeatMs } from "../events/schema.ts";
import { ManualBus } from "../test/helpers/manual-bus.ts";
import { ManualClock } from "../test/helpers/manual-clock.ts";
import { poolEvent } from "../test/helpers/pool-event.ts";
import { syncMs } from "./demand.ts";
import { DemandTracker } from "./demand-tracker.ts";
import type { Recorded } from "./ledger.ts";

const key = "default/default";
const away = { t: "disconnected", reason: "gone" } as const;

function setup(bus = new ManualBus()) {
	const clock = new ManualClock();
	const recorded: Recorded[] = [];
	const tracker = new DemandTracker({
		bus,
		clock,
		absentAfterMs: 600_000,
		onRecorded: (outcome) => recorded.push(outcome),
	});
	return { clock, bus, tracker, recorded };
}

test("it asks for states on each connect, and knows when the answers had time to come", () => {
	const { clock, bus, tracker } = setup();
	expect(bus.asked).toBe(1);
	let changes = 0;
	tracker.onAllChanged(() => changes++);
	bus.publish(poolEvent({ busy: [1] }));
	expect(tracker.demand(key)).toMatchObject({ t: "unknown", atLeast: { waiting: 0, active: 1 } });
	clock.advance(syncMs);
	expect(tracker.demand(key)).toMatchObject({ t: "known", active: 1 });
	expect(changes).toBe(1);
	bus.become(away);
	expect(tracker.demand(key).t).toBe("unknown");
	bus.become({ t: "connected" });
	expect(bus.asked).toBe(2);
	expect(changes).toBe(3);
	clock.advance(syncMs);
	expect(changes).toBe(4);
});

test("without a bus it waits for one", () => {
	const { clock, bus, tracker } = setup(new ManualBus(away));
	clock.advance(60_000);
	expect(bus.asked).toBe(0);
	expect(tracker.demand(key)).toMatchObject({ t: "unknown", reason: "the bus is disconnected: gone" });
	expect(clock.pending).toBe(0);
});

test("each applied event names the pool that changed, others do not", () => {
	const { bus, tracker, recorded } = setup();
	const changed: string[] = [];
	tracker.onPoolChanged((pool) => changed.push(pool));
	bus.publish(poolEvent({ pool: "a" }));
	bus.publish(poolEvent({ pool: "a" }));
	bus.publish(poolEvent({ pool: "b" }));
	expect(changed).toEqual(["default/a", "default/b"]);
	expect(recorded).toEqual(["applied", "outdated", "applied"]);
});

test("pools nobody speaks for any more leave its memory", () => {
	const { clock, bus, tracker } = setup();
	bus.publish(poolEvent({ pool: "gone" }));
	for (let sequence = 0; sequence < 200; sequence++) {
		bus.publish(poolEvent({ sequence }));
		clock.advance(heartbeatMs);
	}
	expect([...tracker.pools()].map(([pool]) => pool)).toEqual([key]);
	expect(tracker.capacity("default/gone")).toBeUndefined();
	expect(tracker.capacity(key)).toBe(4);
});

test("closed, it listens no more and leaves no timer", () => {
	const { clock, bus, tracker, recorded } = setup();
	tracker.close();
	bus.publish(poolEvent());
	expect(recorded).toEqual([]);
	expect(clock.pending).toBe(0);
});
