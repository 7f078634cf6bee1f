import { expect, test } from "vitest";
import { ManualBus } from "../test/helpers/manual-bus.ts";
import { ManualClock } from "../test/helpers/manual-clock.ts";
import { poolEvent } from "../test/helpers/pool-event.ts";
import { syncMs } from "./demand.ts";
import { DemandTracker } from "./demand-tracker.ts";
import { scalerState } from "./state.ts";

function setup() {
	const clock = new ManualClock();
	const bus = new ManualBus();
	const tracker = new DemandTracker({ bus, clock, absentAfterMs: 600_000, onRecorded: () => {} });
	return { clock, bus, tracker };
}

test("a pool with its demand, metric, streams and proxies", () => {
	const { clock, bus, tracker } = setup();
	clock.advance(syncMs);
	bus.publish(poolEvent({ waiting: 1, busy: [0, 2], sequence: 7 }));
	clock.advance(40);
	expect(scalerState(tracker, new Map([["default/default", 3]]), clock.now())).toEqual({
		bus: { t: "connected" },
		pools: [
			{
				namespace: "default",
				pool: "default",
				demand: {
					t: "known",
					waiting: 1,
					active: 2,
					highestBusyOrdinal: 1,
					capacity: 4,
					oldestWaitMs: 40,
				},
				metric: { value: 8, target: 4 },
				streams: 3,
				proxies: [
					{ proxy: "proxy-0", incarnation: 1, sequence: 7, ageMs: 40, stale: false, waiting: 1, active: 2 },
				],
			},
		],
	});
});

test("a pool only a stream asks for, and a bus that is away", () => {
	const { clock, bus, tracker } = setup();
	bus.publish(poolEvent());
	bus.become({ t: "disconnected", reason: "gone" });
	const state = scalerState(tracker, new Map([["ci/new", 1]]), clock.now());
	expect(state.bus).toEqual({ t: "disconnected", reason: "gone" });
	expect(state.pools).toMatchObject([
		{ pool: "default", metric: null, streams: 0, proxies: [{ stale: true }] },
		{ namespace: "ci", pool: "new", metric: null, streams: 1, proxies: [] },
	]);
});
