import type { Clock } from "../common/clock.ts";
import { ScalerError } from "../common/error.ts";
import type { ExternalScalerClient, ScaledObjectRef } from "../protos/external-scaler.ts";

/** KEDA sets no deadline; we do, as a scaler that hangs should be seen. */
const rpcDeadlineMs = 2_000;

export interface ScalerReading {
	readonly active: boolean;
	/** Demand in builds. */
	readonly value: number;
	/** Builds a daemon takes, more than 0. */
	readonly target: number;
}

/**
 * What KEDA asks in every poll, and for every read of the HPA, in its order (scale_handler.go: getScalerState,
 * GetScaledObjectMetrics). Reads the first metric only; ours has one.
 * Throws the grpc-js `ServiceError` of a failed call, or DEMAND_UNKNOWN for a late or unusable answer.
 */
export async function checkScaler(
	client: Pick<ExternalScalerClient, "isActive" | "getMetricSpec" | "getMetrics">,
	ref: ScaledObjectRef,
	clock: Clock,
): Promise<ScalerReading> {
	const { metricSpecs } = await twice(() => inTime("GetMetricSpec", client.getMetricSpec(ref), clock));
	const spec = metricSpecs[0];
	if (spec === undefined) throw unusable("GetMetricSpec: no metric");
	// A float of 0 means unset; scalers for KEDA up to v2.16 know the int only (external_scaler.go).
	const target = spec.targetSizeFloat > 0 ? spec.targetSizeFloat : spec.targetSize;
	if (!(target > 0)) throw unusable(`GetMetricSpec: target ${target} is not above 0`);
	return twice(async () => {
		const { metricValues } = await inTime("GetMetrics", client.getMetrics(ref, spec.metricName), clock);
		const { result: active } = await inTime("IsActive", client.isActive(ref), clock);
		// The HPA adds up all values, whatever their names (replica_calculator.go).
		let value = 0;
		for (const { metricValue, metricValueFloat } of metricValues) {
			value += metricValueFloat > 0 ? metricValueFloat : metricValue;
		}
		if (!(value >= 0)) throw unusable(`GetMetrics: ${value} is not a number of builds`);
		return { active, value, target };
	});
}

/** KEDA rebuilds a scaler that failed and tries once more (scalers_cache.go: GetMetricsAndActivityForScaler). */
async function twice<T>(attempt: () => Promise<T>): Promise<T> {
	try {
		return await attempt();
	} catch {
		return attempt();
	}
}

function inTime<T>(rpc: string, answer: Promise<T>, clock: Clock): Promise<T> {
	return new Promise((resolve, reject) => {
		const timer = clock.after(rpcDeadlineMs, () =>
			reject(unusable(`${rpc}: no answer within ${rpcDeadlineMs / 1000} s`)),
		);
		answer.then(resolve, reject).finally(() => timer.cancel());
	});
}

function unusable(message: string): ScalerError {
	return new ScalerError("DEMAND_UNKNOWN", message);
}
