/**
 * The rule of Kubernetes' HorizontalPodAutoscaler for one external metric of type AverageValue, which is what KEDA's
 * HPAs use. Simplified: no limit on the speed of scaling up (the default allows +100 % or +4 pods per 15 s), one
 * metric, and `replicas` stands for both the wanted and the existing pods.
 */

/** A difference up to this share of the target is ignored (kube-controller-manager's tolerance). */
const hpaTolerance = 0.1;

/** What was recommended, and when (`Clock.now` in ms). */
export interface Recommendation {
	readonly at: number;
	readonly replicas: number;
}

export interface MetricReading {
	/** Sum over the pool, not per replica. Not negative. */
	readonly value: number;
	/** Wanted value per replica, more than 0. */
	readonly target: number;
	/** Replicas there are, 1 or more: at 0 the HPA is off and only KEDA scales. */
	readonly replicas: number;
}

/** What the metric alone asks for, 1 to `maxReplicas` (replica_calculator.go: GetExternalPerPodMetricReplicas). */
export function recommendReplicas(
	{ value, target, replicas }: MetricReading,
	maxReplicas: number,
	tolerance = hpaTolerance,
): number {
	const usage = value / (target * replicas);
	// Not |1 - usage|: in floating point that leaves exactly 10 % outside (replica_calculator.go: isWithin).
	const isNear = usage >= 1 - tolerance && usage <= 1 + tolerance;
	const wanted = isNear ? replicas : Math.ceil(value / target);
	return Math.min(Math.max(wanted, 1), maxReplicas);
}

/**
 * The replicas to set, given the recommendations of the scale-down window with the present one among them: up at
 * once, down only as far as the highest of them (horizontal.go: stabilizeRecommendationWithBehaviors, with 0 s for
 * scale-up).
 */
export function stabilizeReplicas(
	replicas: number,
	recommended: number,
	window: readonly Recommendation[],
): number {
	if (recommended >= replicas) return recommended;
	const highest = window.reduce((max, entry) => Math.max(max, entry.replicas), recommended);
	return Math.min(replicas, highest);
}

/** `history` with one more entry, and without those the window no longer reaches. */
export function recordRecommendation(
	history: readonly Recommendation[],
	entry: Recommendation,
	windowMs: number,
): Recommendation[] {
	return [...history.filter(({ at }) => at > entry.at - windowMs), entry];
}
