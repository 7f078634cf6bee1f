import { Registry } from "prom-client";
import { startAdmin } from "../common/admin.ts";
import { systemClock } from "../common/clock.ts";
import { ScalerError } from "../common/error.ts";
import { createLogger, type Logger } from "../common/log.ts";
import type { TlsFiles } from "../common/tls-credentials.ts";
import { invalidEvents } from "../events/invalid-events.ts";
import { NatsBus } from "../events/nats-bus.ts";
import { natsTrouble } from "../events/nats-trouble.ts";
import { raiseTo } from "../scaler/burst/raise.ts";
import type { WriteCost } from "../scaler/deletion-cost/deletion-costs.ts";
import { ProxyList } from "../scaler/expected/proxy-list.ts";
import { type PoolKey, poolKey } from "../scaler/pool-key.ts";
import { type ScalerOptions, startScaler } from "../scaler/scaler.ts";
import { defineCommand } from "./command.ts";
import { admin, logLevel, nats, natsFiles, natsFilesOf } from "./common-options.ts";
import { daemonTlsOptions, openDaemonTls } from "./daemon-tls.ts";
import {
	boolean,
	duration,
	integer,
	listenAddress,
	names,
	type PoolService,
	poolServices,
	text,
} from "./option.ts";

const file = { kind: text, placeholder: "FILE" } as const;

export const scalerCommand = defineCommand(
	{
		name: "scaler",
		summary: "The KEDA external scaler: turns the proxies' events into demand",
		reloads: true,
	},
	{
		listen: {
			kind: listenAddress,
			defaultText: ":6000",
			placeholder: "HOST:PORT",
			description: "gRPC for KEDA (externalscaler.ExternalScaler) and health checks",
		},
		tlsCert: {
			...file,
			description:
				"Our certificate for KEDA (PEM, with its chain); read again when it changes. Without it: plaintext",
		},
		tlsKey: { ...file, description: "Its key (PEM)" },
		tlsClientCa: {
			...file,
			description: "The CA of KEDA's certificate (PEM); with it a client needs one, health checks too",
		},
		nats,
		...natsFiles,
		admin,
		expectedProxies: {
			kind: names,
			placeholder: "ID,...",
			description:
				"Every proxy's id, where that is certain: once all were heard, the demand is known at once",
		},
		proxiesService: {
			kind: poolServices,
			placeholder: "NAMESPACE/POOL=SERVICE,...",
			description:
				"The Kubernetes Service of a pool's proxies: whom its EndpointSlices list must be heard, on the bus or over HTTP, before the pool's demand is known",
		},
		proxiesAdminPort: {
			kind: integer(1, 65_535),
			defaultText: "8081",
			placeholder: "PORT",
			description: "For --proxies-service, where the proxies' admin servers listen",
		},
		absentAfter: {
			kind: duration,
			defaultText: "10m",
			placeholder: "DURATION",
			description:
				"How long the last word of a silent proxy counts. Zero is believed for 15 s: a ScaledObject's cooldownPeriod must be 20 or more",
		},
		verifyZero: {
			kind: boolean,
			defaultText: "true",
			placeholder: "BOOL",
			description:
				"Whether daemons are asked if they build before a pool may go to zero (buildkitd v0.12.4 and later)",
		},
		...daemonTlsOptions,
		podDeletionCost: {
			kind: boolean,
			defaultText: "false",
			placeholder: "BOOL",
			description:
				"Keeps controller.kubernetes.io/pod-deletion-cost of a Deployment's pods at their builds, so that idle ones go first",
		},
		burstAssist: {
			kind: boolean,
			defaultText: "false",
			placeholder: "BOOL",
			description:
				"Sets all replicas at once that a burst of builds needs, beside KEDA: up to the ScaledObject's maxReplicaCount, never fewer",
		},
		logLevel,
	},
	async (config) => {
		const tls = tlsFiles(config);
		const log = createLogger(config.logLevel);
		const registry = new Registry();
		const bus = new NatsBus({
			url: config.nats,
			files: natsFilesOf(config),
			name: "buildkit-scaler scaler",
			clock: systemClock,
			onTrouble: natsTrouble(systemClock, log),
			onInvalid: invalidEvents("scaler", { clock: systemClock, log, registry }),
		});
		const { expectedProxies, proxiesService, verifyZero } = config;
		const daemonTls = openDaemonTls(config, log);
		const scaler = await startScaler(
			{
				listen: config.listen,
				tls,
				absentAfterMs: config.absentAfter,
				verifyZero,
				daemonTls,
				...(proxiesService && {
					proxyLists: await openProxyLists(proxiesService, config.proxiesAdminPort, log),
				}),
				writeCost: config.podDeletionCost ? await openDeletionCosts() : undefined,
				raise: config.burstAssist ? await openBurstAssist() : undefined,
				...(expectedProxies === undefined ? {} : { expectedProxies }),
			},
			{ bus, clock: systemClock, log, registry },
		);
		const adminServer = await startAdmin(config.admin, {
			ready: scaler.ready,
			registry,
			state: scaler.state,
			post: scaler.post,
		});
		bus.onStatus((status) => log.info(status, "bus"));
		log.info({ port: scaler.port, admin: adminServer.port }, "scaler ready");
		const stop = async () => {
			await scaler.stop();
			daemonTls?.credentials.close();
			await bus.close();
			await adminServer.close();
		};
		const reload = async () => {
			scaler.reloadCertificates();
			daemonTls?.credentials.reload();
		};
		return { drain: stop, kill: async () => {}, reload };
	},
);

async function openDeletionCosts(): Promise<WriteCost> {
	// Loaded here, as a scaler that need not should not pay for it.
	const [{ loadKubeConfig }, { writeCostTo }] = await Promise.all([
		import("../common/kube-client.ts"),
		import("../scaler/deletion-cost/kubernetes-pods.ts"),
	]);
	return writeCostTo(loadKubeConfig("--pod-deletion-cost"));
}

async function openBurstAssist(): Promise<ScalerOptions["raise"]> {
	const [{ loadKubeConfig }, { KubernetesScaleApi }, { readScaledObjectFrom }] = await Promise.all([
		import("../common/kube-client.ts"),
		import("../kubernetes/scale.ts"),
		import("../kubernetes/scaled-object.ts"),
	]);
	const kube = loadKubeConfig("--burst-assist");
	const api = { scales: new KubernetesScaleApi(kube), readScaledObject: readScaledObjectFrom(kube) };
	return (wanted, name, signal) => raiseTo(wanted, name, api, signal);
}

async function openProxyLists(
	services: readonly PoolService[],
	adminPort: number,
	log: Logger,
): Promise<ReadonlyMap<PoolKey, ProxyList>> {
	// Loaded here, as above.
	const [{ loadKubeConfig }, { KubernetesSliceApi }] = await Promise.all([
		import("../common/kube-client.ts"),
		import("../kubernetes/endpoint-slice-api.ts"),
	]);
	const kube = loadKubeConfig("--proxies-service");
	return new Map(
		services.map((service) => {
			const api = new KubernetesSliceApi(kube, service);
			return [poolKey(service), new ProxyList(service, adminPort, { api, clock: systemClock, log })];
		}),
	);
}

function tlsFiles({
	tlsCert: cert,
	tlsKey: key,
	tlsClientCa: ca,
}: Readonly<Record<"tlsCert" | "tlsKey" | "tlsClientCa", string | undefined>>): TlsFiles | undefined {
	if (cert !== undefined && key !== undefined) return { cert, key, ca };
	if (cert === undefined && key === undefined && ca === undefined) return undefined;
	throw new ScalerError(
		"CONFIG_INVALID",
		"--tls-cert and --tls-key are needed together, and for --tls-client-ca",
	);
}
