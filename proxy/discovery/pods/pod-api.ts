import { CoreV1Api, type KubeConfig } from "@kubernetes/client-node";
import { clientConfiguration } from "../../../common/kube-client.ts";
import { type KubeEvent, type Pod, readEvent, readPod } from "./pod.ts";
import type { PodApi } from "./pod-reasons.ts";

/** Bounds on what one look reads. */
const maxPods = 500;
const maxEvents = 200;

/** Pods and events of a Service's namespace. */
export class KubernetesPodApi implements PodApi {
	readonly #config: KubeConfig;
	readonly #watched: { readonly namespace: string; readonly service: string };

	constructor(config: KubeConfig, watched: { readonly namespace: string; readonly service: string }) {
		this.#config = config;
		this.#watched = watched;
	}

	async selector(signal: AbortSignal): Promise<string | undefined> {
		const { namespace, service: name } = this.#watched;
		const { spec } = await this.#client(signal).readNamespacedService({ namespace, name });
		const labels = Object.entries(spec?.selector ?? {});
		// An empty selector would be every pod.
		return labels.length === 0 ? undefined : labels.map(([key, value]) => `${key}=${value}`).join(",");
	}

	async pods(labelSelector: string, signal: AbortSignal): Promise<readonly Pod[]> {
		const { namespace } = this.#watched;
		const { items } = await this.#client(signal).listNamespacedPod({
			namespace,
			labelSelector,
			limit: maxPods,
		});
		return items.map(readPod);
	}

	async events(fieldSelector: string, signal: AbortSignal): Promise<readonly KubeEvent[]> {
		const { namespace } = this.#watched;
		const { items } = await this.#client(signal).listNamespacedEvent({
			namespace,
			fieldSelector,
			limit: maxEvents,
		});
		return items.map(readEvent);
	}

	#client(signal: AbortSignal): CoreV1Api {
		return new CoreV1Api(clientConfiguration(this.#config, signal));
	}
}
