import type { Snapshot } from "../events/schema.ts";

/** What a snapshot says about demand, in constant size: a proxy with 10,000 daemons costs a scaler no more than one. */
export interface Load {
	/** Builds without a daemon. */
	readonly waiting: number;
	/** Builds on a daemon. */
	readonly active: number;
	/** Largest StatefulSet ordinal with a build on it; null when there is none, or daemons have no order. */
	readonly highestBusyOrdinal: number | null;
	/** Builds a daemon takes at once. */
	readonly capacity: number;
	/** Age of the longest wait; 0 when nobody waits. */
	readonly oldestWaitMs: number;
}

export function loadOf({ waiting, daemons, capacity, oldestWaitMs }: Snapshot): Load {
	let active = 0;
	let highestBusyOrdinal: number | null = null;
	for (const daemon of daemons) {
		active += daemon.active;
		// A draining daemon counts too: the build on it must not be scaled away before it ends.
		if (daemon.active > 0) highestBusyOrdinal = highestOrdinal(highestBusyOrdinal, daemon.ordinal);
	}
	return { waiting, active, highestBusyOrdinal, capacity, oldestWaitMs };
}

/**
 * The load of several proxies together, in whatever order they come. While proxies disagree on the capacity (a rollout
 * that changes it) the smallest counts: it asks for daemons enough in either case.
 */
export function addLoads(a: Load, b: Load): Load {
	return {
		waiting: a.waiting + b.waiting,
		active: a.active + b.active,
		highestBusyOrdinal: highestOrdinal(a.highestBusyOrdinal, b.highestBusyOrdinal),
		capacity: Math.min(a.capacity, b.capacity),
		oldestWaitMs: Math.max(a.oldestWaitMs, b.oldestWaitMs),
	};
}

function highestOrdinal(a: number | null, b: number | null): number | null {
	return a === null || b === null ? (a ?? b) : Math.max(a, b);
}
