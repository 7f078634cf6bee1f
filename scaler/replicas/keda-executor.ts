/**
 * KEDA's scale executor (pkg/scaling/executor/scale_scaledobjects.go: RequestScale) for a ScaledObject with one
 * trigger, minReplicaCount 0 and no idleReplicaCount, fallback, paused annotation or initialCooldownPeriod.
 */

/** What a poll, or a pushed `true`, says of the pool. `unknown`: the scaler answered with an error, or not at all. */
export type Activity = "active" | "inactive" | "unknown";

export interface ExecutorInput {
	readonly activity: Activity;
	readonly replicas: number;
	/** When a check last saw activity (ms, as `now`); null before the first (ScaledObject status.lastActiveTime). */
	readonly lastActiveAt: number | null;
	readonly now: number;
	/** KEDA's cooldownPeriod: how long a pool stays after its last activity. */
	readonly cooldownMs: number;
}

export interface ExecutorDecision {
	readonly replicas: number;
	readonly lastActiveAt: number | null;
}

/** What KEDA writes after one check; called for every poll and every pushed `true`. */
export function decideScale(input: ExecutorInput): ExecutorDecision {
	const { activity, replicas, lastActiveAt, now, cooldownMs } = input;
	switch (activity) {
		// One, whatever the metric says (scaleFromZeroOrIdle): more is the HPA's business.
		case "active":
			return { replicas: Math.max(replicas, 1), lastActiveAt: now };
		case "inactive": {
			// Never seen active means scaled up by somebody else: KEDA takes it down at its first look.
			const isCold = lastActiveAt === null || lastActiveAt + cooldownMs < now;
			// Straight to zero from any number (scaleToZeroOrIdle).
			return { replicas: isCold ? 0 : replicas, lastActiveAt };
		}
		case "unknown":
			return { replicas, lastActiveAt };
	}
}
