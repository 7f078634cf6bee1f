import { Gauge, type Registry } from "prom-client";
import type { EndpointSliceSource } from "./endpoint-slice-source.ts";

/** Tells when the API server is away: the list of daemons then ages, while everything else goes on. */
export function registerDiscoveryMetrics(
	registry: Registry,
	labels: { readonly namespace: string; readonly pool: string },
	source: EndpointSliceSource,
): void {
	new Gauge({
		name: "buildkit_proxy_discovery_age_seconds",
		help: "Since the list of daemons was last known to be the API server's; below 30 while all is well",
		labelNames: ["namespace", "pool"],
		registers: [registry],
		collect() {
			this.set({ ...labels }, source.ageMs / 1000);
		},
	});
}
