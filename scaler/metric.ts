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

/**
 * Enough daemons for every build, and never fewer than reach the highest busy ordinal (I5): a StatefulSet removes its
 * highest ordinals first, so `ordinal + 1` replicas keep the daemon with that ordinal.
 */
export function metricOf(
	{ waiting, active, highestBusyOrdinal, capacity }: Load,
	buildsPerDaemon?: number,
): Metric {
	const target = buildsPerDaemon ?? capacity;
	const daemonsToKeep = highestBusyOrdinal === null ? 0 : highestBusyOrdinal + 1;
	return { value: Math.max(waiting + active, daemonsToKeep * target), target };
}
