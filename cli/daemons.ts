import type { Registry } from "prom-client";
import { systemClock } from "../common/clock.ts";
import { unreachable } from "../common/error.ts";
import type { Logger } from "../common/log.ts";
import type { DaemonSource } from "../proxy/daemon.ts";
import { DiscoveryAges } from "../proxy/discovery/discovery-metrics.ts";
import { DnsLookup } from "../proxy/discovery/dns/dns-lookup.ts";
import type { DnsName } from "../proxy/discovery/dns/dns-name.ts";
import { DnsSource } from "../proxy/discovery/dns/dns-source.ts";
import { EndpointSliceSource } from "../proxy/discovery/endpoint-slice-source.ts";
import { PodReasons } from "../proxy/discovery/pods/pod-reasons.ts";
import { staticSource } from "../proxy/discovery/static-source.ts";
import type { OpenSource } from "../proxy/pool/pool-settings.ts";
import type { HostPort } from "./option.ts";

/** A source whose list somebody else keeps. */
interface DiscoveredView {
	readonly ageMs: number;
	close(): void;
}

/** Where a pool's daemons come from. */
export type DaemonsSettings =
	| { readonly t: "static"; readonly addresses: readonly HostPort[] }
	| { readonly t: "dns"; readonly dns: DnsName }
	/** The endpoints of a Kubernetes Service in the pool's namespace. */
	| { readonly t: "service"; readonly service: string; readonly port: string | number };

/** Opens what the settings name. `kubeconfig`: a path, see `loadKubeConfig`. */
export function daemonSources(
	log: Logger,
	registry: Registry,
	kubeconfig?: string,
): OpenSource<DaemonsSettings> {
	const ages = new DiscoveryAges(registry);
	return async ({ namespace, name, source: daemons }) => {
		const watchAge = (source: DaemonSource & DiscoveredView) => {
			const forget = ages.watch({ namespace, pool: name }, source);
			const close = () => {
				forget();
				source.close();
			};
			return { source, close };
		};
		switch (daemons.t) {
			case "static": {
				const source = staticSource(daemons.addresses.map((address) => ({ t: "tcp", ...address })));
				return { source, close: () => {} };
			}
			case "dns": {
				const lookup = new DnsLookup(daemons.dns);
				return watchAge(new DnsSource(daemons.dns.name, { lookup, clock: systemClock, log }));
			}
			case "service": {
				// Loaded here, as a proxy without a cluster should not pay for it.
				const [{ loadKubeConfig }, { KubernetesSliceApi }, { KubernetesPodApi }] = await Promise.all([
					import("../common/kube-client.ts"),
					import("../kubernetes/endpoint-slice-api.ts"),
					import("../proxy/discovery/pods/pod-api.ts"),
				]);
				const { service, port } = daemons;
				const watched = { namespace, service, port };
				const kube = loadKubeConfig("--daemons-service", kubeconfig);
				const pods = new KubernetesPodApi(kube, watched);
				const reasons = new PodReasons(service, { api: pods, clock: systemClock, log });
				const api = new KubernetesSliceApi(kube, watched);
				return watchAge(new EndpointSliceSource(watched, { api, clock: systemClock, log, reasons }));
			}
			default:
				return unreachable(daemons);
		}
	};
}
