import { backoffDelayMs } from "../common/backoff.ts";
import type { Demand } from "./demand.ts";

/** What a push has to know of a pool's demand. */
export type Activity =
	| { readonly t: "active" /** Somebody has no daemon yet. */; readonly waiting: boolean }
	| { readonly t: "idle" }
	| { readonly t: "unknown" };

/** Where the pushing for one pool stands. */
export type PushState =
	| { readonly t: "idle" }
	/** KEDA was told, and nobody waits. */
	| { readonly t: "served" }
	/** KEDA was told `repeats` times more, and is told again at `nextAt` (`Clock.now`). */
	| { readonly t: "waiting"; readonly repeats: number; readonly nextAt: number };

/** 1, 2, 4, 8, 15, 15 … seconds. */
const repeatBackoff = { firstMs: 1_000, maxMs: 15_000 };

/**
 * A build that is certain is worth a push even while the rest is unknown: `true` can only wake, never stop anything.
 */
export function activityOf(demand: Demand): Activity {
	switch (demand.t) {
		case "known":
			return demand.waiting + demand.active > 0 ? active(demand.waiting) : { t: "idle" };
		case "unknown": {
			const { waiting, active: builds } = demand.atLeast;
			return waiting + builds > 0 ? active(waiting) : { t: "unknown" };
		}
		case "absent":
			return { t: "idle" };
	}
}

function active(waiting: number): Activity {
	return { t: "active", waiting: waiting > 0 };
}

/**
 * Pushes once when a pool becomes active, and again and again while somebody waits. The repeats are there because KEDA
 * loses pushes: it drops them while it does not know the metric's name yet (v2.20 scale_handler.go), takes a pool for
 * awake while its informer lags behind a scale to zero, and does not retry a scale that met a conflict. A pool that is
 * served gets none: each costs KEDA an API call.
 */
export function nextPush(
	state: PushState,
	activity: Activity,
	now: number,
): { state: PushState; push: boolean } {
	// An outage of the bus is not the end of a build: go on afterwards where we were.
	if (activity.t === "unknown") return { state, push: false };
	if (activity.t === "idle") return { state: { t: "idle" }, push: false };
	if (!activity.waiting) return { state: { t: "served" }, push: state.t === "idle" };
	if (state.t !== "waiting") return { state: waitingState(0, now), push: state.t === "idle" };
	if (now < state.nextAt) return { state, push: false };
	return { state: waitingState(state.repeats + 1, now), push: true };
}

function waitingState(repeats: number, now: number): PushState {
	return { t: "waiting", repeats, nextAt: now + backoffDelayMs(repeatBackoff, repeats + 1) };
}
