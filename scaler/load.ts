import type { Snapshot } from "../events/schema.ts";

/** What a snapshot says about demand, small whatever the number of daemons, as it is added up at every event. */
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
	readonly daemons: DaemonCounts;
}

/** What there is to put builds on, and what is not. */
export interface DaemonCounts {
	/** Daemons that take new builds, or will once they answer. */
	readonly staying: number;
	/** What the workload's status has as replicas: a StatefulSet's pods count until they are gone, a Deployment's do not. */
	readonly replicas: number;
	/** Builds on daemons that take no new ones. */
	readonly drainingActive: number;
	/** Those builds by the ordinal of the daemon, which it keeps to the end; for daemons that have an order. */
	readonly drainingByOrdinal: BuildsByOrdinal;
}

type BuildsByOrdinal = Readonly<Record<number, number>>;

export const noDaemons: DaemonCounts = {
	staying: 0,
	replicas: 0,
	drainingActive: 0,
	drainingByOrdinal: {},
};

export function loadOf({ waiting, daemons, capacity, oldestWaitMs }: Snapshot): Load {
	let active = 0;
	let highestBusyOrdinal: number | null = null;
	let staying = 0;
	let replicas = 0;
	let drainingActive = 0;
	const drainingByOrdinal: Record<number, number> = {};
	for (const daemon of daemons) {
		active += daemon.active;
		if (!daemon.draining) staying++;
		else {
			drainingActive += daemon.active;
			if (daemon.active > 0 && daemon.ordinal !== null) drainingByOrdinal[daemon.ordinal] = daemon.active;
		}
		if (!daemon.draining || daemon.ordinal !== null) replicas++;
		// A draining daemon counts too: the build on it must not be scaled away before it ends.
		if (daemon.active > 0) highestBusyOrdinal = highestOrdinal(highestBusyOrdinal, daemon.ordinal);
	}
	return {
		waiting,
		active,
		highestBusyOrdinal,
		capacity,
		oldestWaitMs,
		daemons: { staying, replicas, drainingActive, drainingByOrdinal },
	};
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
		daemons: addCounts(a.daemons, b.daemons),
	};
}

/** All proxies list the same daemons, and each its own builds on them. */
function addCounts(a: DaemonCounts, b: DaemonCounts): DaemonCounts {
	return {
		staying: Math.max(a.staying, b.staying),
		replicas: Math.max(a.replicas, b.replicas),
		drainingActive: a.drainingActive + b.drainingActive,
		drainingByOrdinal: addBuilds(a.drainingByOrdinal, b.drainingByOrdinal),
	};
}

function addBuilds(a: BuildsByOrdinal, b: BuildsByOrdinal): BuildsByOrdinal {
	const sum: Record<string, number> = { ...a };
	for (const [ordinal, builds] of Object.entries(b)) sum[ordinal] = (sum[ordinal] ?? 0) + builds;
	return sum;
}

function highestOrdinal(a: number | null, b: number | null): number | null {
	return a === null || b === null ? (a ?? b) : Math.max(a, b);
}
