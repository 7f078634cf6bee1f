import type { KubeConfig, KubernetesObject } from "@kubernetes/client-node";
import { importImage } from "./bring-up.ts";
import { clean } from "./clean.ts";
import type { Component } from "./component.ts";
import type { ComponentName } from "./component-spec.ts";
import type { Components } from "./components.ts";
import { loadKubeconfig } from "./kubeconfig.ts";
import { type CommandInput, helm, kubectl } from "./kubectl.ts";
import { addresses, files } from "./layout.ts";
import type { Lock } from "./lock.ts";
import { phase } from "./phases.ts";
import { type WaitOptions, type Watched, waitFor } from "./wait-for.ts";

/** A running cluster, as its administrator sees it. */
export interface Cluster {
	readonly kubeConfig: KubeConfig;
	readonly kubeconfigPath: string;
	/** The machine's address in the cluster: pods reach servers that listen on it, and so does KEDA. */
	readonly nodeIp: string;
	/** Answers for cluster.local and in-addr.arpa, from pods and from the machine. */
	readonly clusterDns: string;
	kubectl(args: readonly string[], input?: CommandInput): Promise<string>;
	helm(args: readonly string[], input?: CommandInput): Promise<string>;
	/** Server-side applies objects or a manifest's text. */
	apply(objects: readonly object[] | string): Promise<void>;
	/** Makes the image of a docker or OCI tar available to pods (imagePullPolicy IfNotPresent or Never). */
	importImage(tarPath: string): Promise<void>;
	podLogs(namespace: string, pod: string): Promise<string>;
	/** Resolves to what `until` gives as soon as that is neither undefined nor false; see wait-for.ts. */
	waitFor<T extends KubernetesObject, R>(
		watched: Watched,
		until: (objects: readonly T[]) => R | undefined | false,
		options: WaitOptions,
	): Promise<R>;
	/** For faults: stop(), continue(), kill(), start(). */
	component(name: ComponentName): Component;
	/** Ends and removes everything. */
	stop(): Promise<void>;
}

/** The handle of the cluster that runs; `stop` gives back the lock. */
export function openCluster(components: Components, lock: Lock): Cluster {
	const kubeConfig = loadKubeconfig();
	return {
		kubeConfig,
		kubeconfigPath: files.kubeconfig,
		nodeIp: addresses.node,
		clusterDns: addresses.node,
		kubectl,
		helm,
		apply: async (objects) => {
			const list = { apiVersion: "v1", kind: "List", items: objects };
			const stdin = typeof objects === "string" ? objects : JSON.stringify(list);
			await kubectl(["apply", "--server-side", "-f", "-"], { stdin });
		},
		importImage,
		podLogs: (namespace, pod) => kubectl(["logs", "--all-containers", "--namespace", namespace, pod]),
		waitFor: (watched, until, options) => waitFor(kubeConfig, watched, until, options),
		component: (name) => components[name],
		stop: async () => {
			await phase("down", clean);
			await lock.release();
		},
	};
}
