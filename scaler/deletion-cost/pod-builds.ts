import type { PoolRecord } from "../ledger.ts";

/** RFC 1123. A daemon that its proxies know by its address is no pod. */
const podName = /^(?![\d.]+$)[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/**
 * Builds, of all proxies, on each pod of a workload without order that stays. Pods with an ordinal are a StatefulSet's,
 * which takes its highest first whatever they cost. Pure.
 */
export function podBuilds(record: PoolRecord | undefined): ReadonlyMap<string, number> {
	const builds = new Map<string, number>();
	const leaving = new Set<string>();
	for (const { daemons } of record?.words.values() ?? []) {
		for (const { name, ordinal, active, draining } of daemons) {
			if (draining) leaving.add(name);
			if (ordinal !== null || !podName.test(name)) continue;
			builds.set(name, (builds.get(name) ?? 0) + active);
		}
	}
	for (const name of leaving) builds.delete(name);
	return builds;
}
