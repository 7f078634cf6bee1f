// What happened when, for the figures each scenario prints.
import {
	type V1Deployment,
	type V1EndpointSlice,
	type V1Pod,
	type V1StatefulSet,
	Watch,
} from "@kubernetes/client-node";
import type { Cluster } from "../../cluster/cluster.ts";
import { daemonPods, type Release, workloadPath } from "./kube-release.ts";

interface Moment {
	readonly what: string;
	/** Milliseconds since 1970: pods' logs have the same clock. */
	readonly at: number;
}

export class Timeline {
	readonly moments: Moment[] = [];

	mark(what: string, at = Date.now()): number {
		this.moments.push({ what, at });
		return at;
	}

	/** When it first happened. */
	at(what: string): number | undefined {
		return this.moments.find((moment) => moment.what === what)?.at;
	}

	/** From the first moment on, in ms. */
	print(title: string): void {
		const sorted = this.moments.toSorted((a, b) => a.at - b.at);
		const start = sorted[0]?.at ?? 0;
		const lines = sorted.map(({ what, at }) => `  ${String(Math.round(at - start)).padStart(7)} ms  ${what}`);
		process.stderr.write(`${title}\n${lines.join("\n")}\n`);
	}
}

/** Marks each change of the pool's replicas and each step of its pods, until it is closed. */
export async function watchPool(
	cluster: Cluster,
	release: Release,
	timeline: Timeline,
): Promise<{ close(): void }> {
	const seen = new Set<string>();
	let replicas = 0;
	const onWorkload = (_type: string, { spec }: V1StatefulSet | V1Deployment) => {
		if (spec?.replicas === undefined || spec.replicas === replicas) return;
		timeline.mark(`replicas ${replicas} -> ${spec.replicas}`);
		replicas = spec.replicas;
	};
	const onPod = (type: string, { metadata, status }: V1Pod) => {
		// A StatefulSet uses names again.
		const id = metadata?.uid ?? "";
		const name = metadata?.name ?? "";
		const step = (what: string) => {
			if (!seen.has(id + what)) timeline.mark(`${name} ${what}`);
			seen.add(id + what);
		};
		if (type === "ADDED") step("created");
		if (status?.conditions?.some(({ type, status }) => type === "PodScheduled" && status === "True"))
			step("scheduled");
		if (status?.containerStatuses?.[0]?.state?.running !== undefined) step("running");
		if (status?.containerStatuses?.[0]?.ready) step("ready");
		if (metadata?.deletionTimestamp !== undefined) step("is to go");
		if (type === "DELETED") step("gone");
	};
	const onSlice = (_type: string, { endpoints }: V1EndpointSlice) => {
		for (const { targetRef } of endpoints ?? []) {
			const id = `${targetRef?.uid} endpoint`;
			if (!seen.has(id)) timeline.mark(`${targetRef?.name} has an endpoint`);
			seen.add(id);
		}
	};
	const end = new AbortController();
	const pods = daemonPods(release);
	const selector = { fieldSelector: `metadata.name=${release.name}-daemons` };
	await Promise.all([
		follow(cluster, { path: workloadPath(release), query: selector }, onWorkload, end.signal),
		follow(cluster, daemonSlices(release), onSlice, end.signal),
		follow(cluster, { path: pods.path, query: { labelSelector: pods.labelSelector } }, onPod, end.signal),
	]);
	return { close: () => end.abort() };
}

type OnChange<T> = (type: string, object: T) => void;

interface Collection {
	readonly path: string;
	readonly query: Record<string, string>;
}

function daemonSlices({ name, namespace }: Release): Collection {
	return {
		path: `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
		query: { labelSelector: `kubernetes.io/service-name=${name}-daemons` },
	};
}

/** Resolves when it listens; a watch that ended (30 s of silence are enough) begins again. */
async function follow<T>(
	cluster: Cluster,
	collection: Collection,
	on: OnChange<T>,
	signal: AbortSignal,
): Promise<void> {
	const { path, query } = collection;
	// From a version on: a watch from "now" was seen to miss the first changes.
	const list = await cluster.kubectl(["get", "--raw", `${path}?${new URLSearchParams(query)}`]);
	const { metadata, items } = JSON.parse(list) as { metadata: { resourceVersion: string }; items: T[] };
	for (const item of items) on("LISTED", item);
	if (signal.aborted) return;
	let watching: AbortController | undefined;
	const abort = () => watching?.abort();
	const onEnd = () => {
		signal.removeEventListener("abort", abort);
		// A test that ends takes its cluster away, and nobody listens any more.
		if (!signal.aborted) follow(cluster, collection, on, signal).catch(() => {});
	};
	const from = { ...query, resourceVersion: metadata.resourceVersion };
	signal.addEventListener("abort", abort, { once: true });
	watching = await new Watch(cluster.kubeConfig).watch(path, from, on, onEnd);
	if (signal.aborted) abort();
}
