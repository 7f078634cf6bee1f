import { hostname, networkInterfaces } from "node:os";
import { systemClock } from "../common/clock.ts";
import { ScalerError } from "../common/error.ts";
import { createLogger } from "../common/log.ts";
import { startStandalone } from "../standalone/standalone.ts";
import { advertised } from "./advertised.ts";
import type { Command } from "./command.ts";
import { natsFilesOf } from "./common-options.ts";
import { openDaemonTls } from "./daemon-tls.ts";
import { daemonSources } from "./daemons.ts";
import { flagName, type Invocation, loadConfig } from "./load-config.ts";
import type { Config, HostPort } from "./option.ts";
import { poolSettings } from "./pool-settings.ts";
import { autoscalerOptions, standaloneOptions } from "./standalone-options.ts";

type StandaloneConfig = Config<typeof standaloneOptions>;

export const standaloneCommand: Command = {
	name: "standalone",
	summary:
		"Proxy and scaler in one, which scales a StatefulSet or Deployment itself: no KEDA, no NATS needed",
	options: standaloneOptions,
	reloads: true,
	async start(invocation) {
		const config = loadConfig(standaloneOptions, invocation);
		const pool = poolSettings(asPool(config));
		const nats = natsOf(config);
		const log = createLogger(config.logLevel);
		for (const warning of warningsFor(invocation)) log.warn(warning);
		const { stsNamespace: namespace, stsName: name, kind, kubeconfig, podDeletionCost } = config;
		// Loaded here, as commands without a cluster should not pay for it.
		const [{ loadKubeConfig }, { KubernetesScaleApi }, { KubernetesLease }, { writeCostTo }] =
			await Promise.all([
				import("../common/kube-client.ts"),
				import("../kubernetes/scale.ts"),
				import("../standalone/election/lease-api.ts"),
				import("../scaler/deletion-cost/kubernetes-pods.ts"),
			]);
		const kube = loadKubeConfig("standalone", kubeconfig);
		const leaseName = config.leaseName ?? `${name}-standalone`;
		const daemonTls = openDaemonTls(config, log);
		const standalone = await startStandalone(
			{
				id: config.id ?? `${hostname()}:${config.listenAddr.port}`,
				pool,
				workload: { kind, namespace, name },
				maxReplicas: config.maxReplicas,
				idleTimeoutMs: config.idleTimeout,
				absentAfterMs: config.absentAfter,
				verifyZero: config.verifyZero,
				daemonTls,
				admin: config.admin,
				advertised: (port) => advertisedAdmin(config, port),
				nats,
				traces: config.traces,
				drainGraceMs: config.drainGrace,
				drainTimeoutMs: config.drainTimeout,
				limits: {
					maxConnections: config.maxConnections,
					maxConnectionsPerAddress: config.maxConnectionsPerAddress,
					maxOpening: config.maxOpening,
					maxTotalHeldBytes: config.maxHeld,
					frozenAfterMs: config.frozenAfter,
				},
			},
			{
				openSource: (registry) => daemonSources(log, registry, kubeconfig),
				scaleApi: new KubernetesScaleApi(kube),
				leaseApi: config.leaderElection
					? new KubernetesLease(kube, { namespace, name: leaseName })
					: undefined,
				writeCost: podDeletionCost ? writeCostTo(kube) : undefined,
				clock: systemClock,
				log,
			},
		);
		log.info({ ...standalone.listening, admin: standalone.adminPort }, "standalone ready");
		const finish = (stopped: Promise<void>) => stopped.then(() => daemonTls?.credentials.close());
		return {
			drain() {
				log.info("draining: builds end first; a second signal ends them");
				return finish(standalone.drain());
			},
			kill: () => finish(standalone.kill()),
			async reload() {
				standalone.reloadCertificates();
				daemonTls?.credentials.reload();
			},
		};
	},
};

/** What a pool of `buildkit-scaler proxy` would be told. */
function asPool(config: StandaloneConfig): Parameters<typeof poolSettings>[0] {
	const { maxReplicas, stsName, stsNamespace } = config;
	return {
		...config,
		listen: config.listenAddr,
		pool: config.pool ?? stsName,
		namespace: stsNamespace,
		daemons: undefined,
		daemonsDns: undefined,
		daemonsService: config.headlessServiceName,
		daemonsPort: config.targetPort,
		serverNames: undefined,
		maxWait: config.readyWaitTimeout,
		// With one daemon a capacity would only make builds wait, which the autoscaler never does.
		capacity: config.capacity ?? (maxReplicas === 1 ? 10_000 : 4),
	};
}

function natsOf(config: StandaloneConfig) {
	const files = natsFilesOf(config);
	if (config.nats !== undefined) return { url: config.nats, files };
	if (Object.values(files).some((file) => file !== undefined))
		throw new ScalerError("CONFIG_INVALID", "--nats-creds, -nkey and -tls-* need --nats");
	return undefined;
}

function advertisedAdmin({ admin, adminAdvertise }: StandaloneConfig, port: number): string | undefined {
	const given: HostPort = adminAdvertise ?? { host: admin.host, port };
	const own = Object.values(networkInterfaces())
		.flatMap((addresses) => addresses ?? [])
		.find(({ internal, scopeid }) => !internal && !scopeid);
	return advertised(given) ?? (own && advertised({ host: own.address, port }));
}

/** Where this differs from buildkitd-autoscaler on purpose, for who has configured it as that. */
export function warningsFor({ argv, env }: Invocation): readonly string[] {
	const options = Object.entries(autoscalerOptions).map(([key, { envFirst }]) => {
		const flag = flagName(key);
		const isFlag = argv.some((word) => [flag, flag.slice(1)].includes(word.split("=")[0] ?? ""));
		return { flag, variable: envFirst, isFlag, isVariable: Boolean(env[envFirst]) };
	});
	const isItsVariable = options.some(({ isVariable }) => isVariable);
	const itsFlags = options.filter(({ isFlag }) => isFlag).length;
	// Who gives other flags too has configured this, and not that.
	const isItsOwn = itsFlags > 0 && itsFlags === argv.filter((word) => word.startsWith("-")).length;
	if (!isItsVariable && !isItsOwn) return [];
	const twice = options
		.filter(({ isFlag, isVariable }) => isFlag && isVariable)
		.map(
			({ flag, variable }) =>
				`${variable} is set, so ${flag} counts for nothing, as with buildkitd-autoscaler`,
		);
	return [
		...twice,
		...differences.map((text) => `unlike buildkitd-autoscaler: ${text} (docs/standalone.md)`),
	];
}

const differences = [
	"a connection that asks for nothing (a probe, a scan, an idle client) neither wakes the workload nor keeps it",
	"nothing is scaled down before --idle-timeout has passed since the start, and then only after the daemons were asked whether they build",
	"what cannot be known (a daemon or a replica that does not answer) is never taken for idle",
	"it needs get and patch on the scale subresource, get, list and watch on endpointslices, and get, create and patch on leases",
];
