import { hostname } from "node:os";
import { Registry } from "prom-client";
import { startAdmin } from "../common/admin.ts";
import { systemClock } from "../common/clock.ts";
import { ScalerError } from "../common/error.ts";
import { createLogger, type Logger } from "../common/log.ts";
import { NatsBus } from "../events/nats-bus.ts";
import type { DaemonSource } from "../proxy/daemon.ts";
import { registerDiscoveryMetrics } from "../proxy/discovery/endpoint-slice-metrics.ts";
import { EndpointSliceSource } from "../proxy/discovery/endpoint-slice-source.ts";
import { staticSource } from "../proxy/discovery/static-source.ts";
import { startProxy } from "../proxy/proxy.ts";
import { defineCommand } from "./command.ts";
import {
	admin,
	balance,
	capacity,
	drainTimeout,
	logLevel,
	maxWait,
	namespace,
	nats,
	pool,
	wakeOnStatus,
} from "./common-options.ts";
import { type HostPort, hostPorts, listenAddress, name, portNameOrNumber, text } from "./option.ts";

export const proxyCommand = defineCommand(
	{ name: "proxy", summary: "The connection proxy: takes clients in and holds them until a daemon has room" },
	{
		listen: {
			kind: listenAddress,
			defaultText: ":1234",
			placeholder: "HOST:PORT",
			description: "Where BuildKit clients connect",
		},
		daemons: {
			kind: hostPorts,
			placeholder: "HOST:PORT,...",
			description: "The pool's daemons, in ordinal order; those that are down are dialed while someone waits",
		},
		daemonsService: {
			kind: name,
			placeholder: "NAME",
			description: "Instead of --daemons: the Kubernetes Service, in --namespace, whose endpoints they are",
		},
		daemonsPort: {
			kind: portNameOrNumber,
			defaultText: "buildkit",
			placeholder: "PORT",
			description: "The daemons' port in --daemons-service: its name there, or a number",
		},
		pool,
		namespace,
		capacity,
		balance,
		maxWait,
		wakeOnStatus,
		drainTimeout,
		nats,
		admin,
		id: {
			kind: text,
			placeholder: "NAME",
			description: "This proxy's name in events, kept over restarts; without it the host's name and the port",
		},
		logLevel,
	},
	async (config) => {
		const log = createLogger(config.logLevel);
		const registry = new Registry();
		const { source, closeSource } = await openSource(config, log, registry);
		const bus = new NatsBus({
			url: config.nats,
			name: `buildkit-scaler proxy ${config.namespace}/${config.pool}`,
			clock: systemClock,
			onInvalid: (error) => log.warn({ error: error.message }, "invalid event"),
		});
		const proxy = await startProxy(
			{
				id: config.id ?? `${hostname()}:${config.listen.port}`,
				namespace: config.namespace,
				pool: config.pool,
				listen: config.listen,
				capacity: config.capacity,
				balance: config.balance,
				maxWaitMs: config.maxWait,
				wakeOnStatus: config.wakeOnStatus,
				drainTimeoutMs: config.drainTimeout,
			},
			{ source, bus, clock: systemClock, log, registry },
		);
		const adminServer = await startAdmin(config.admin, {
			ready: proxy.ready,
			registry,
			state: proxy.state,
		});
		bus.onStatus((status) => log.info(status, "bus"));
		log.info({ ...proxy.listening, admin: adminServer.port }, "proxy ready");
		const finish = async () => {
			closeSource();
			await bus.close();
			await adminServer.close();
		};
		return {
			async drain() {
				log.info("draining: builds end first; a second signal ends them");
				await proxy.drain();
				await finish();
			},
			async kill() {
				await proxy.close();
				await finish();
			},
		};
	},
);

interface SourceConfig {
	readonly namespace: string;
	readonly pool: string;
	readonly daemons: readonly HostPort[] | undefined;
	readonly daemonsService: string | undefined;
	readonly daemonsPort: string | number;
}

async function openSource(
	{ namespace, pool, daemons, daemonsService: service, daemonsPort: port }: SourceConfig,
	log: Logger,
	registry: Registry,
): Promise<{ source: DaemonSource; closeSource: () => void }> {
	if (daemons !== undefined && service === undefined) {
		const source = staticSource(daemons.map((address) => ({ t: "tcp", ...address })));
		return { source, closeSource: () => {} };
	}
	if (daemons !== undefined || service === undefined) {
		const why = daemons === undefined ? "neither is given" : "both are given";
		throw new ScalerError("CONFIG_INVALID", `--daemons or --daemons-service is needed, one of them: ${why}`);
	}
	// Loaded here, as a proxy without a cluster should not pay for it.
	const { KubernetesSliceApi, loadKubeConfig } = await import("../proxy/discovery/endpoint-slice-api.ts");
	const watched = { namespace, service, port };
	const api = new KubernetesSliceApi(loadKubeConfig(), watched);
	const source = new EndpointSliceSource(watched, { api, clock: systemClock, log });
	registerDiscoveryMetrics(registry, { namespace, pool }, source);
	return { source, closeSource: () => source.close() };
}
