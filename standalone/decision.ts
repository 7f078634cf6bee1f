/**
 * How many daemons a pool is to have: KEDA's executor and the HPA's rule, as `local` has them, in one step and without
 * what comes of their being two programs that poll. A pool at zero goes straight to what its waiting builds need, and
 * nothing is within a tolerance. Pure.
 */
import type { Demand } from "../scaler/demand.ts";
import { metricOf } from "../scaler/metric.ts";
import {
	type Recommendation,
	recommendReplicas,
	recordRecommendation,
	stabilizeReplicas,
} from "../scaler/replicas/hpa.ts";
import { type Activity, decideScale } from "../scaler/replicas/keda-executor.ts";

export interface ScalingRules {
	readonly maxReplicas: number;
	/** How long daemons stay after they were needed last: all of them, and those that are too many. */
	readonly idleTimeoutMs: number;
	/** Builds a daemon takes at once, where nobody says otherwise. */
	readonly capacity: number;
	/** Whether some daemons may go while others stay; else only all do. */
	readonly shrinks: boolean;
}

/** What is remembered from one decision to the next. */
export interface ScalingMemory {
	/** `Clock.now` when there was demand last. */
	readonly lastActiveAt: number;
	readonly recommendations: readonly Recommendation[];
}

/**
 * What a process knows that has just begun: nothing. Whatever runs may have been needed a moment ago, so it stays for the
 * idle timeout.
 */
export function newMemory(now: number): ScalingMemory {
	return { lastActiveAt: now, recommendations: [{ at: now, replicas: Number.POSITIVE_INFINITY }] };
}

export interface DecisionInput {
	readonly demand: Demand;
	/** Whether every replica of ours was heard; else there may be more builds, so that nothing is lowered. */
	readonly isWhole: boolean;
	/** As set now. */
	readonly replicas: number;
	readonly now: number;
	readonly memory: ScalingMemory;
}

export interface Decision {
	readonly replicas: number;
	readonly memory: ScalingMemory;
}

export function decide(input: DecisionInput, rules: ScalingRules): Decision {
	const { demand, isWhole, replicas, now, memory } = input;
	const { idleTimeoutMs: cooldownMs } = rules;
	const activity = activityOf(demand);
	const { lastActiveAt } = memory;
	const executor = decideScale({ activity, replicas, lastActiveAt, now, cooldownMs });
	const next = { ...memory, lastActiveAt: executor.lastActiveAt ?? lastActiveAt };
	if (demand.t !== "known") {
		const wanted = Math.max(executor.replicas, atLeast(demand, rules));
		return { replicas: Math.max(replicas, wanted), memory: next };
	}
	const { value, target } = metricOf(demand, { tolerance: 0 });
	const reading = { value, target, replicas: Math.max(replicas, 1) };
	const recommended = recommendReplicas(reading, rules.maxReplicas, 0);
	const recommendations = recordRecommendation(
		memory.recommendations,
		{ at: now, replicas: recommended },
		cooldownMs,
	);
	const kept = stabilizeReplicas(executor.replicas, recommended, recommendations);
	// Nobody builds: all of them go together, a moment later.
	const some = rules.shrinks && activity === "active" ? kept : Math.max(kept, replicas);
	// At zero the HPA is off, and the executor has the last word.
	const wanted = executor.replicas === 0 ? 0 : some;
	const least = isWhole ? leastOf(demand.highestBusyOrdinal, replicas) : replicas;
	return { replicas: Math.max(wanted, least), memory: { ...next, recommendations } };
}

function activityOf(demand: Demand): Activity {
	switch (demand.t) {
		case "known":
			return demand.waiting + demand.active > 0 ? "active" : "inactive";
		case "unknown":
			return demand.atLeast.waiting + demand.atLeast.active > 0 ? "active" : "unknown";
		case "absent":
			return "unknown";
	}
}

/** Daemons for the builds that are certain, though there may be more. */
function atLeast(demand: Demand, { capacity, maxReplicas }: ScalingRules): number {
	if (demand.t !== "unknown") return 0;
	const { waiting, active } = demand.atLeast;
	return Math.min(Math.ceil((waiting + active) / capacity), maxReplicas);
}

/** The highest busy ordinal stays (I5), even where more daemons run than there may be. */
function leastOf(highestBusyOrdinal: number | null, replicas: number): number {
	return highestBusyOrdinal === null ? 0 : Math.min(highestBusyOrdinal + 1, replicas);
}
