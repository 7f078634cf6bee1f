import { DiscoveryV1Api, type KubeConfig, Watch } from "@kubernetes/client-node";
import { clientConfiguration } from "../common/kube-client.ts";
import { readSlice, readSliceEvent } from "./endpoint-slice.ts";
import type { EndpointSliceApi, ServiceName, SliceList, WatchHandlers } from "./endpoint-slice-watch.ts";

/**
 * The server ends each watch after this, with a bookmark just before, so that the next one resumes from a fresh
 * version. Less than the 30 s of silence after which Watch gives a connection up: what reaches those is half dead.
 */
const watchSeconds = 25;

/**
 * List and watch with the library's generated client and its Watch. Not its informer (ListWatch), as of 2.0.1: after
 * any error but 410 it stops for good, a failed list included; it asks for no bookmarks, so a quiet Service ends in 410;
 * and `stop` during a list starts a watch all the same.
 */
export class KubernetesSliceApi implements EndpointSliceApi {
	readonly #config: KubeConfig;
	readonly #watched: ServiceName;

	constructor(config: KubeConfig, watched: ServiceName) {
		this.#config = config;
		this.#watched = watched;
	}

	async list(signal: AbortSignal): Promise<SliceList> {
		const client = new DiscoveryV1Api(clientConfiguration(this.#config, signal));
		const { metadata, items } = await client.listNamespacedEndpointSlice({
			namespace: this.#watched.namespace,
			labelSelector: this.#selector,
		});
		return { slices: items.map(readSlice), version: metadata?.resourceVersion ?? "" };
	}

	watch(version: string, handlers: WatchHandlers, signal: AbortSignal): Promise<void> {
		const { promise, resolve, reject } = Promise.withResolvers<void>();
		const path = `/apis/discovery.k8s.io/v1/namespaces/${this.#watched.namespace}/endpointslices`;
		const query = {
			labelSelector: this.#selector,
			resourceVersion: version,
			allowWatchBookmarks: true,
			timeoutSeconds: watchSeconds,
		};
		let ended = false;
		const done = (error: unknown) => {
			ended = true;
			if (error) reject(error);
			else resolve();
		};
		const onEvent = (type: string, object: unknown) => {
			try {
				const event = readSliceEvent(type, object);
				if (event !== undefined) handlers.onEvent(event);
			} catch (error) {
				// Watch swallows what its callback throws.
				reject(error);
			}
		};
		new Watch(this.#config).watch(path, query, onEvent, done).then((controller) => {
			signal.addEventListener("abort", () => controller.abort(), { once: true });
			if (signal.aborted) controller.abort();
			else if (!ended) handlers.onConnected();
		}, done);
		return promise;
	}

	get #selector(): string {
		return `kubernetes.io/service-name=${this.#watched.service}`;
	}
}
