import { expect, test } from "vitest";
import { ManualBus } from "../test/helpers/manual-bus.ts";
import { ManualClock } from "../test/helpers/manual-clock.ts";
import { poolEvent } from "../test/helpers/pool-event.ts";
import { syncMs } from "./demand.ts";
import { DemandTracker } from "./demand-tracker.ts";
import { scalerState } from "./state.ts";
import { ZeroVerifier } from "./verify/zero-verifier.ts";

function setup() {
	const clock = new ManualClock();
	const bus = new ManualBus();
	const tracker = new DemandTracker({ bus, clock, absentAfterMs: 600_000, onRecorded: () => {} });
	const ask = async () => ({ t: "builds", count: 0 }) as const;
	const verifier = new ZeroVerifier({ clock, ask, onAnswer: () => {} });
	return { clock, bus, tracker, verifier };
}

test("a pool with its demand, metric, streams and proxies", () => {
	const { clock, bus, tracker, verifier } = setup();
	clock.advance(syncMs);
	bus.publish(poolEvent({ waiting: 1, busy: [0, 2], sequence: 7 }));
	clock.advance(40);
	expect(scalerState(tracker, verifier, new Map([["default/default", 3]]), undefined, clock.now())).toEqual({
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
					daemons: { staying: 2, replicas: 2, drainingActive: 0, drainingByOrdinal: {} },
				},
				metric: { value: 8, target: 4 },
				streams: 3,
				expected: null,
				asked: [],
				proxies: [
					{ proxy: "proxy-0", incarnation: 1, sequence: 7, ageMs: 40, stale: false, waiting: 1, active: 2 },
				],
			},
		],
	});
});

test("a pool only a stream asks for, and a bus that is away", () => {
	const { clock, bus, tracker, verifier } = setup();
	bus.publish(poolEvent());
	bus.become({ t: "disconnected", reason: "gone" });
	const state = scalerState(tracker, verifier, new Map([["ci/new", 1]]), undefined, clock.now());
	expect(state.bus).toEqual({ t: "disconnected", reason: "gone" });
	expect(state.pools).toMatchObject([
		{ pool: "default", metric: null, streams: 0, proxies: [{ stale: true }] },
		{ namespace: "ci", pool: "new", metric: null, streams: 1, proxies: [] },
	]);
});
