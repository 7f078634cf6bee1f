import type { Endpoint, EndpointSlice } from "../../kubernetes/endpoint-slice.ts";
import type { ProxyPod } from "./expected.ts";

/** More proxies than this serve no pool; a scaler keeps no more words either (ledger.ts). */
export const maxPods = 100;

/** A proxy behind a Service. */
export type PodPlace = Pick<ProxyPod, "name" | "admin" | "terminating">;

/**
 * The proxies behind a Service: also those that are not ready, or terminating, for they may carry builds. Pure; the
 * order of slices and endpoints is of no matter.
 */
export function proxyPods(slices: Iterable<EndpointSlice>, adminPort: number): readonly PodPlace[] {
	const hosts = new Map<string, string>();
	const terminating = new Set<string>();
	for (const { endpoints } of slices) {
		for (const endpoint of endpoints ?? []) {
			// All addresses of an endpoint are the same pod's; consumers use the first.
			const [host] = endpoint.addresses;
			if (host === undefined || host === "") continue;
			const name = nameOf(endpoint, host);
			if (endpoint.conditions?.terminating === true) terminating.add(name);
			const known = hosts.get(name);
			// A pod with IPv4 and IPv6 is in a slice of each.
			if (known === undefined || rank(host) < rank(known)) hosts.set(name, host);
		}
	}
	const pods = [...hosts].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, maxPods);
	return pods.map(([name, host]) => ({
		name,
		admin: `${host.includes(":") ? `[${host}]` : host}:${adminPort}`,
		terminating: terminating.has(name),
	}));
}

function nameOf({ targetRef, hostname }: Endpoint, host: string): string {
	return targetRef?.name || hostname || host;
}

/** IPv4 first, then as the text has it. */
function rank(host: string): string {
	return `${host.includes(":") ? 6 : 4} ${host}`;
}
