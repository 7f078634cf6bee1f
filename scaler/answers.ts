/** What the unary RPCs answer: from memory, and never a guess. A zero, only after the daemons were asked. */
import { ScalerError } from "../common/error.ts";
import type {
	GetMetricSpecResponse,
	GetMetricsRequest,
	GetMetricsResponse,
	IsActiveResponse,
	ScaledObjectRef,
} from "../protos/external-scaler.ts";
import type { Demand } from "./demand.ts";
import type { Load } from "./load.ts";
import { parseScaledObjectRef } from "./metadata.ts";
import { metricName, metricOf } from "./metric.ts";
import type { PoolKey } from "./pool-key.ts";

export interface DemandSource {
	demand(key: PoolKey): Demand;
	/** Builds a daemon of the pool takes at once, or undefined when no proxy ever spoke of it. */
	capacity(key: PoolKey): number | undefined;
	/** Resolves, within a second, when `demand` is as well known as it gets. */
	settle(key: PoolKey): Promise<void>;
}

/** True exactly when GetMetrics answers more than 0. Throws METADATA_INVALID, POOL_UNKNOWN, DEMAND_UNKNOWN. */
export async function isActive(source: DemandSource, ref: ScaledObjectRef): Promise<IsActiveResponse> {
	const { key, ...options } = parseScaledObjectRef(ref);
	await source.settle(key);
	return { result: metricOf(knownLoad(source, key), options).value > 0 };
}

/**
 * Exactly one spec. With `buildsPerDaemon` in the metadata it needs no knowledge at all; else the last known capacity
 * will do, also while demand is unknown: KEDA's fallback counts failures only if this call succeeds
 * (kedacore/keda#8056), and it creates no HPA without. Throws METADATA_INVALID, POOL_UNKNOWN, DEMAND_UNKNOWN.
 */
export function getMetricSpec(source: DemandSource, ref: ScaledObjectRef): GetMetricSpecResponse {
	const { key, buildsPerDaemon } = parseScaledObjectRef(ref);
	const target = buildsPerDaemon ?? source.capacity(key) ?? knownLoad(source, key).capacity;
	return metricSpecOf(target);
}

export function metricSpecOf(target: number): GetMetricSpecResponse {
	return { metricSpecs: [{ metricName, targetSize: target, targetSizeFloat: target }] };
}

/**
 * Exactly one value: the HPA adds up whatever it gets. KEDA strips its `s0-` prefix before it asks, so a name with one
 * is a mistake. Throws METADATA_INVALID, METRIC_UNKNOWN, POOL_UNKNOWN, DEMAND_UNKNOWN.
 */
export async function getMetrics(
	source: DemandSource,
	request: GetMetricsRequest,
): Promise<GetMetricsResponse> {
	const { key, ...options } = parseScaledObjectRef(request.scaledObjectRef);
	if (request.metricName === "")
		throw new ScalerError("METADATA_INVALID", `metricName is empty: must be "${metricName}"`);
	if (request.metricName !== metricName) {
		const asked = JSON.stringify(request.metricName.slice(0, 80));
		throw new ScalerError("METRIC_UNKNOWN", `there is no metric ${asked}, only "${metricName}"`);
	}
	await source.settle(key);
	const { value } = metricOf(knownLoad(source, key), options);
	return { metricValues: [{ metricName, metricValue: Math.ceil(value), metricValueFloat: value }] };
}

function knownLoad(source: DemandSource, key: PoolKey): Load {
	const demand = source.demand(key);
	switch (demand.t) {
		case "known":
			return demand;
		case "unknown":
			throw new ScalerError("DEMAND_UNKNOWN", `the demand of pool ${key} is unknown: ${demand.reason}`);
		case "absent":
			throw new ScalerError("POOL_UNKNOWN", `no proxy speaks for pool ${key}`);
	}
}
