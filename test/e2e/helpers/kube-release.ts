import { join } from "node:path";
import type { V1Deployment, V1Pod, V1Service, V1StatefulSet } from "@kubernetes/client-node";
import type { ScalerState } from "../../../scaler/state.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import { projectRoot } from "../../tools/paths.ts";
import { natsImage, scalerImage } from "./kube-images.ts";
import { until } from "./kube-until.ts";

export const chart = join(projectRoot, "charts", "buildkit-scaler");

export interface ReleaseOptions {
	readonly name: string;
	readonly kind?: "StatefulSet" | "Deployment";
	/** On top of the values every test needs. */
	readonly values?: object;
}

/** The chart, installed in a namespace of its own. */
export interface Release {
	readonly name: string;
	readonly namespace: string;
	readonly kind: "StatefulSet" | "Deployment";
	/** The Service's name, for clients in pods. */
	readonly insideAddress: string;
	/** The ClusterIP, for clients on the machine. */
	readonly outsideAddress: string;
	/** What helm printed. */
	readonly notes: string;
	/** An address on which a Service of the release listens, by its last name, e.g. "nats". */
	serviceIp(component: string): Promise<string>;
	pods(component: string): Promise<V1Pod[]>;
	/** Resolves when nothing of the pool runs any more. */
	asleep(timeoutMs?: number): Promise<void>;
	/** What every scaler says. */
	scalerStates(): Promise<ScalerState[]>;
}

/** Small and quick: the machine has two cores, and a test has no five minutes to see a pool go to sleep. */
const values = {
	image: scalerImage,
	proxy: { resources: { requests: { cpu: "10m", memory: "32Mi" } } },
	scaler: { resources: { requests: { cpu: "10m", memory: "32Mi" } } },
	nats: { image: natsImage },
	daemons: {
		image: { repository: "local.test/buildkitd", tag: "1" },
		// The image has no CNI plugins for buildkitd's own bridge.
		extraArgs: ["--oci-worker-net=host"],
		resources: { requests: { cpu: "10m", memory: "32Mi" } },
		persistence: { size: "1Gi" },
	},
	autoscaling: { cooldownSeconds: 3, allowShortCooldown: true, pollingSeconds: 1 },
};

/** `helm install`; resolves when it is ready and its pool, started by the install, sleeps. */
export async function installRelease(cluster: Cluster, options: ReleaseOptions): Promise<Release> {
	const { name, kind = "StatefulSet" } = options;
	const namespace = name;
	const install = ["install", name, chart, "--namespace", namespace, "--create-namespace", "--values", "-"];
	const notes = await cluster.helm(install, { stdin: valuesOf(name, kind, options.values) });
	const release = openRelease(cluster, name, kind, notes);
	await ready(cluster, release);
	return { ...release, outsideAddress: `tcp://${await release.serviceIp("proxy")}:1234` };
}

/** `helm upgrade` with other values than it was installed with; resolves when proxies and scalers are new. */
export async function upgradeRelease(cluster: Cluster, release: Release, changed: object): Promise<void> {
	const { name, namespace, kind } = release;
	const upgrade = ["upgrade", name, chart, "--namespace", namespace, "--values", "-"];
	await cluster.helm(upgrade, { stdin: valuesOf(name, kind, changed) });
	for (const component of ["proxy", "scaler"]) {
		const deployment = `deployment/${name}-${component}`;
		await cluster.kubectl(["rollout", "status", deployment, "--namespace", namespace, "--timeout=60s"]);
	}
}

/** For `helm --values -`: JSON is YAML. */
export function valuesOf(name: string, kind: Release["kind"], ofTest: object = {}): string {
	return JSON.stringify([values, { fullnameOverride: name, daemons: { kind } }, ofTest].reduce(merge));
}

function openRelease(cluster: Cluster, name: string, kind: Release["kind"], notes: string): Release {
	const namespace = name;
	const release: Release = {
		name,
		namespace,
		kind,
		notes,
		insideAddress: `tcp://${name}-proxy.${namespace}:1234`,
		outsideAddress: "",
		async serviceIp(component) {
			const json = await cluster.kubectl([
				...["get", "service", `${name}-${component}`],
				...["--namespace", namespace, "--output=json"],
			]);
			return (JSON.parse(json) as V1Service).spec?.clusterIP ?? "";
		},
		async pods(component) {
			const selector = `app.kubernetes.io/component=${component}`;
			const json = await cluster.kubectl([
				...["get", "pods", "--selector", selector, "--namespace", namespace, "--output=json"],
			]);
			return (JSON.parse(json) as { items: V1Pod[] }).items;
		},
		async asleep(timeoutMs = 60_000) {
			await cluster.waitFor(
				{ path: workloadPath(release), name: `${name}-daemons` },
				([found]: readonly (V1StatefulSet | V1Deployment)[]) =>
					found?.spec?.replicas === 0 && (found.status?.replicas ?? 0) === 0,
				{ what: `${name} goes to sleep`, timeoutMs },
			);
			await cluster.waitFor(daemonPods(release), (pods: readonly V1Pod[]) => pods.length === 0, {
				what: `${name}'s daemons are gone`,
				timeoutMs,
			});
		},
		async scalerStates() {
			const pods = await release.pods("scaler");
			return await Promise.all(
				pods.map(async (pod) => {
					const answer = await fetch(`http://${pod.status?.podIP}:8081/state`);
					return (await answer.json()) as ScalerState;
				}),
			);
		},
	};
	return release;
}

export function workloadPath({ namespace, kind }: Release): string {
	return `/apis/apps/v1/namespaces/${namespace}/${kind.toLowerCase()}s`;
}

export function daemonPods({ namespace }: Release): { path: string; labelSelector: string } {
	return {
		path: `/api/v1/namespaces/${namespace}/pods`,
		labelSelector: "app.kubernetes.io/component=daemons",
	};
}

async function ready(cluster: Cluster, release: Release): Promise<void> {
	const { name, namespace } = release;
	const ours = ["proxy", "scaler", "nats"].map((component) => `${name}-${component}`);
	try {
		await cluster.waitFor(
			{ path: `/apis/apps/v1/namespaces/${namespace}/deployments` },
			(found: readonly V1Deployment[]) =>
				ours.every((deployment) => {
					const { spec, status } = found.find(({ metadata }) => metadata?.name === deployment) ?? {};
					return spec !== undefined && status?.readyReplicas === spec.replicas;
				}),
			{ what: `${name}'s deployments are ready`, timeoutMs: 60_000 },
		);
	} catch (error) {
		const reasons = await Promise.all(["proxy", "scaler"].map((component) => readiness(release, component)));
		throw new Error(`${error}\n${reasons.flat().join("\n")}`);
	}
	// Until KEDA's stream is open a wake would be the next poll's work.
	await until(`KEDA listens to ${name}'s scaler`, 60_000, async () => {
		const pools = (await release.scalerStates()).flatMap((state) => state.pools);
		return pools.some(({ streams }) => streams > 0) && pools.every(({ demand }) => demand.t === "known");
	});
	await release.asleep();
}

/** What each pod says of itself: a Deployment only counts. */
async function readiness(release: Release, component: string): Promise<string[]> {
	return await Promise.all(
		(await release.pods(component)).map(async ({ metadata, status }) => {
			const asked = fetch(`http://${status?.podIP}:8081/readyz`, { signal: AbortSignal.timeout(2_000) });
			const answer = await asked
				.then(async (response) => `${response.status} ${await response.text()}`)
				.catch(String);
			return `${metadata?.name} (${status?.podIP}, ${status?.phase}): ${answer.trim()}`;
		}),
	);
}

/** As helm merges values: objects by key, everything else is replaced. */
function merge(base: object, over: object): object {
	const result: Record<string, unknown> = { ...base };
	for (const [key, value] of Object.entries(over)) {
		const below = result[key];
		result[key] = isObject(below) && isObject(value) ? merge(below, value) : value;
	}
	return result;
}

function isObject(value: unknown): value is object {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
