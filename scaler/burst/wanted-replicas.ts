import type { Demand } from "../demand.ts";
import { type MetricOptions, metricOf } from "../metric.ts";

/**
 * The replicas that a burst needs at once, undefined where there is none: several daemons' worth of builds, of which some
 * wait, and fewer daemons than that by the proxies' word. It is what the HPA comes to as well, from the same number
 * (ceil(value / target)), so that it does not take any of them back; never more than `max`. Pure.
 */
export function wantedReplicas(
	demand: Demand,
	options: MetricOptions,
	max = Number.POSITIVE_INFINITY,
): number | undefined {
	if (demand.t !== "known" || demand.waiting === 0) return undefined;
	const { value, target } = metricOf(demand, { ...options, tolerance: 0 });
	const wanted = Math.min(Math.ceil(value / target), max);
	return wanted > 1 && wanted > demand.daemons.replicas ? wanted : undefined;
}
