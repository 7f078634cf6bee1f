// The order of a start. What does not need each other starts together: on two cores it is a matter of 10 s.
import type { V1APIService, V1Node } from "@kubernetes/client-node";
import type { Component } from "./component.ts";
import type { Components } from "./components.ts";
import { applyKedaCrds, kedaMetricsApi } from "./keda.ts";
import { loadKubeconfig } from "./kubeconfig.ts";
import { kubectl } from "./kubectl.ts";
import { nodeName } from "./layout.ts";
import { ctr } from "./node.ts";
import { phase } from "./phases.ts";
import { storageClass } from "./storage.ts";
import { type Watched, waitFor } from "./wait-for.ts";

const READY_TIMEOUT_MS = 60_000;

export interface Images {
	readonly pause: string;
	readonly others: readonly string[];
}

export async function bringUp(components: Components, nodeMounts: Component, images: Images): Promise<void> {
	const start = (component: Component) => phase(component.spec.name, () => component.start());
	const control = async () => {
		await start(components.etcd);
		await start(components.apiserver);
	};
	const runtime = async () => {
		await start(nodeMounts);
		await start(components.containerd);
		await phase("images", () => importImages([images.pause, ...images.others]));
	};
	const containersRun = runtime();
	await all([control(), containersRun]);
	await all([
		start(components.kcm),
		start(components.scheduler),
		start(components.kubelet).then(() => phase("node ready", () => nodeReady(components.kubelet))),
		start(components["kube-proxy"]),
		start(components.coredns).then(() => keda(components, start)),
	]);
}

async function keda(components: Components, start: (component: Component) => Promise<void>): Promise<void> {
	await phase("keda CRDs", async () => {
		const list = { apiVersion: "v1", kind: "List", items: [...kedaMetricsApi(), storageClass] };
		await all([applyKedaCrds(), kubectl(["apply", "-f", "-"], { stdin: JSON.stringify(list) })]);
	});
	await all([start(components["keda-operator"]), start(components["keda-adapter"])]);
	await phase("keda metrics API", () => metricsApiAvailable(components["keda-adapter"]));
}

async function importImages(tars: readonly string[]): Promise<void> {
	for (const tar of tars) await importImage(tar);
}

export async function importImage(tar: string): Promise<void> {
	await ctr(["images", "import", tar]);
}

function nodeReady(kubelet: Component): Promise<true> {
	const node = { path: "/api/v1/nodes", name: nodeName };
	// The taint not-ready stays a moment longer than the condition, and keeps pods away.
	return untilCondition<V1Node>(
		kubelet,
		node,
		(found) => isTrue(found.status?.conditions, "Ready") && (found.spec?.taints ?? []).length === 0,
	);
}

function metricsApiAvailable(adapter: Component): Promise<true> {
	const path = "/apis/apiregistration.k8s.io/v1/apiservices";
	const service = { path, name: "v1beta1.external.metrics.k8s.io" };
	return untilCondition<V1APIService>(adapter, service, (found) =>
		isTrue(found.status?.conditions, "Available"),
	);
}

async function untilCondition<T extends V1Node | V1APIService>(
	responsible: Component,
	watched: Watched,
	isMet: (object: T) => boolean,
): Promise<true> {
	const options = { timeoutMs: READY_TIMEOUT_MS, what: `${watched.name} becomes ready` };
	try {
		return await waitFor<T, true>(loadKubeconfig(), watched, ([object]) => object && isMet(object), options);
	} catch (error) {
		throw responsible.failure(String(error));
	}
}

interface Condition {
	readonly type: string;
	readonly status: string;
}

function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
	return conditions?.some((condition) => condition.type === type && condition.status === "True") ?? false;
}

// Waits for all even if one fails: what still starts must have been noted before the clean-up begins.
async function all(works: readonly Promise<unknown>[]): Promise<void> {
	const results = await Promise.allSettled(works);
	for (const result of results) if (result.status === "rejected") throw result.reason;
}
