import { workloadKinds } from "../kubernetes/workload.ts";
import { nats, pool } from "./common-options.ts";
import { boolean, choice, duration, integer, listenAddress, name, portNameOrNumber, text } from "./option.ts";
import { poolOptions, sharedOptions } from "./proxy-options.ts";

/**
 * The options of buildkitd-autoscaler, with its flags, variables, precedence and defaults, so that this takes its place
 * as it is (docs/standalone.md).
 */
export const autoscalerOptions = {
	listenAddr: {
		envFirst: "PROXY_LISTEN_ADDR",
		kind: listenAddress,
		defaultText: ":8080",
		placeholder: "HOST:PORT",
		description: "Where BuildKit clients connect",
	},
	stsName: {
		envFirst: "BUILDKITD_STATEFULSET_NAME",
		kind: name,
		defaultText: "buildkitd",
		placeholder: "NAME",
		description: "The workload of the daemons, which is scaled",
	},
	stsNamespace: {
		envFirst: "BUILDKITD_STATEFULSET_NAMESPACE",
		kind: name,
		defaultText: "default",
		placeholder: "NAME",
		description: "Its namespace",
	},
	headlessServiceName: {
		envFirst: "BUILDKITD_HEADLESS_SERVICE_NAME",
		kind: name,
		defaultText: "buildkitd-headless",
		placeholder: "NAME",
		description: "The headless Service of its pods",
	},
	targetPort: {
		envFirst: "BUILDKITD_TARGET_PORT",
		kind: portNameOrNumber,
		defaultText: "8372",
		placeholder: "PORT",
		description: "The daemons' port: a number, or its name in that Service",
	},
	idleTimeout: {
		envFirst: "SCALE_DOWN_IDLE_TIMEOUT",
		kind: duration,
		defaultText: "2m0s",
		placeholder: "DURATION",
		description: "How long daemons stay after they were needed last",
	},
	kubeconfig: {
		envFirst: "KUBECONFIG_PATH",
		kind: text,
		placeholder: "FILE",
		description: "A kubeconfig; without it the pod's service account, else KUBECONFIG or ~/.kube/config",
	},
	readyWaitTimeout: {
		envFirst: "READY_WAIT_TIMEOUT",
		kind: duration,
		defaultText: "5m0s",
		placeholder: "DURATION",
		description: "How long a build may wait for a daemon before its client is told why",
	},
} as const;

// Those of the autoscaler stand for these.
const {
	listen: _listen,
	pool: _pool,
	namespace: _namespace,
	daemons: _daemons,
	daemonsService: _service,
	daemonsDns: _dns,
	daemonsPort: _port,
	maxWait: _maxWait,
	serverNames: _serverNames,
	capacity,
	...ownPoolOptions
} = poolOptions;
const { nats: _nats, admin, adminAdvertise, ...ownSharedOptions } = sharedOptions;

export const standaloneOptions = {
	...autoscalerOptions,
	pool: {
		kind: pool.kind,
		placeholder: pool.placeholder,
		description: "The pool's name in events, metrics and drain requests; without it --sts-name",
	},
	kind: {
		kind: choice(workloadKinds),
		defaultText: "StatefulSet",
		placeholder: "KIND",
		description: "What the workload is",
	},
	maxReplicas: {
		kind: integer(1, 1_000),
		defaultText: "1",
		placeholder: "N",
		description: "The most daemons at once",
	},
	capacity: {
		kind: capacity.kind,
		placeholder: capacity.placeholder,
		description: `${capacity.description}; without it 4, or any number where --max-replicas is 1`,
	},
	leaderElection: {
		kind: boolean,
		defaultText: "true",
		placeholder: "BOOL",
		description:
			"Whether replicas find each other, and the one that scales, by a Lease; false only where there is certainly one replica",
	},
	leaseName: {
		kind: name,
		placeholder: "NAME",
		description: "That Lease, in --sts-namespace; without it NAME-standalone, after --sts-name",
	},
	verifyZero: {
		kind: boolean,
		defaultText: "true",
		placeholder: "BOOL",
		description:
			"Whether daemons are asked if they build before one is scaled away (buildkitd v0.12.4 and later)",
	},
	absentAfter: {
		kind: duration,
		defaultText: "10m",
		placeholder: "DURATION",
		description: "How long the last word of a silent replica counts, and nothing is scaled down",
	},
	podDeletionCost: {
		kind: boolean,
		defaultText: "false",
		placeholder: "BOOL",
		description:
			"For a Deployment: keeps controller.kubernetes.io/pod-deletion-cost of its pods at their builds, so that it may shrink while some build",
	},
	...ownPoolOptions,
	...ownSharedOptions,
	admin,
	adminAdvertise: {
		...adminAdvertise,
		description:
			"Where the other replicas reach --admin; without it the host of --admin, or the first address of this host",
	},
	nats: {
		kind: nats.kind,
		placeholder: nats.placeholder,
		description: "Tells the events to this NATS server too, for others; nothing here depends on it",
	},
} as const;
