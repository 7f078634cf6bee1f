import type { Load } from "./load.ts";

/** The one metric of every pool. Lower case and digits only: KEDA does not normalise names of external scalers. */
export const metricName = "builds";

/** What the HPA computes with: replicas = ceil(value / target) (AverageValue, k8s replica_calculator.go). */
export interface Metric {
	/** Builds, 0 or more; above 0 exactly when the pool is active. */
	readonly value: number;
	/** Builds a daemon takes at once, 1 or more. */
	readonly target: number;
}

export interface MetricOptions {
	/** Builds a daemon takes at once, for the HPA; without it the pool's capacity. */
	readonly buildsPerDaemon?: number | undefined;
	/** The share of its target by which the HPA lets a metric be too large without doing anything. */
	readonly tolerance?: number | undefined;
}

/** An idle buildkitd stops in a second or two, and its pod's objects follow. */
const replacedWithinMs = 10_000;

/** kube-controller-manager's; `behavior.scaleUp.tolerance` is not to be had everywhere (Kubernetes 1.35). */
const defaultTolerance = 0.1;

/**
 * Enough daemons for every build, and never fewer than reach the highest busy ordinal (I5): a StatefulSet removes its
 * highest ordinals first, so `ordinal + 1` replicas keep the daemon with that ordinal.
 *
 * A draining daemon that builds counts as full. A StatefulSet does not make another one with its ordinal before it is
 * gone, which may take hours, so who waits must be given the next ordinal.
 */
export function metricOf(load: Load, options: MetricOptions = {}): Metric {
	const { waiting, active, highestBusyOrdinal, capacity, daemons } = load;
	const target = options.buildsPerDaemon ?? capacity;
	let taken = waiting + active;
	for (const builds of Object.values(daemons.drainingByOrdinal)) taken += Math.max(target - builds, 0);
	const daemonsToKeep = highestBusyOrdinal === null ? 0 : highestBusyOrdinal + 1;
	// Within its tolerance the HPA sets as many as there are: too few for who waits, or for a busy daemon above a gap.
	const tooFew = !hasRoomForAll(load) || daemons.replicas < daemonsToKeep;
	const toMove = tooFew ? justAbove(daemons.replicas * target, options.tolerance) : 0;
	return { value: Math.max(taken, daemonsToKeep * target, toMove), target };
}

/**
 * Whether the daemons that there are, or are just starting, have a place for everybody who waits. A StatefulSet's daemon
 * that drains without a build is gone in a moment and comes back, if it is wanted: a pool that is woken while its last
 * daemon still stops needs no second one. If that takes long, its node may be gone.
 */
function hasRoomForAll({ waiting, active, oldestWaitMs, capacity, daemons }: Load): boolean {
	const { staying, replicas, drainingActive, drainingByOrdinal } = daemons;
	const goingIdle = Math.max(replicas - staying - Object.keys(drainingByOrdinal).length, 0);
	const comingBack = oldestWaitMs < replacedWithinMs ? goingIdle : 0;
	return waiting === 0 || waiting + active - drainingActive <= (staying + comingBack) * capacity;
}

/** The least whole number that the HPA acts on, with so many builds where the replicas it has should have them. */
function justAbove(builds: number, tolerance = defaultTolerance): number {
	// A product such as 30 * 1.1 may be a hair off.
	return Math.floor(builds * (1 + tolerance) + 1e-6) + 1;
}
