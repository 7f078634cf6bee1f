// The only file that loads @kubernetes/client-node (0.4 s, 60 MB), so import it only where there is a cluster.
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import {
	createConfiguration,
	DiscoveryV1Api,
	KubeConfig,
	type Middleware,
	ServerConfiguration,
	Watch,
} from "@kubernetes/client-node";
import { ScalerError } from "../../common/error.ts";
import { readSlice, readSliceEvent } from "./endpoint-slice.ts";
import type { WatchedService } from "./endpoint-slice-service.ts";
import type { EndpointSliceApi, SliceList, WatchHandlers } from "./endpoint-slice-source.ts";

/**
 * The server ends each watch after this, with a bookmark just before, so that the next one resumes from a fresh
 * version. Less than the 30 s of silence after which Watch gives a connection up: what reaches those is half dead.
 */
const watchSeconds = 25;

const tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/** The pod's service account, else KUBECONFIG or ~/.kube/config. Throws CONFIG_INVALID when there is none. */
export function loadKubeConfig(): KubeConfig {
	const config = new KubeConfig();
	try {
		if (process.env["KUBERNETES_SERVICE_HOST"] && existsSync(tokenPath)) {
			config.loadFromCluster();
		} else if (process.env["KUBECONFIG"] || existsSync(join(homedir(), ".kube", "config"))) {
			config.loadFromDefault();
		}
	} catch (cause) {
		const { message } = ScalerError.from(cause);
		throw new ScalerError("CONFIG_INVALID", `kubeconfig: ${message.split("\n")[0]}`, { cause });
	}
	if (config.getCurrentCluster()) return config;
	const looked = `there is no service account's token (${tokenPath}) and no kubeconfig with a current context`;
	throw new ScalerError("CONFIG_INVALID", `--daemons-service needs access to a cluster: ${looked}`);
}

/**
 * List and watch with the library's generated client and its Watch. Not its informer (ListWatch), as of 2.0.1: after
 * any error but 410 it stops for good, a failed list included; it asks for no bookmarks, so a quiet Service ends in 410;
 * and `stop` during a list starts a watch all the same.
 */
export class KubernetesSliceApi implements EndpointSliceApi {
	readonly #config: KubeConfig;
	readonly #watched: WatchedService;

	constructor(config: KubeConfig, watched: WatchedService) {
		this.#config = config;
		this.#watched = watched;
	}

	async list(signal: AbortSignal): Promise<SliceList> {
		const { metadata, items } = await this.#client(signal).listNamespacedEndpointSlice({
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

	/** As KubeConfig.makeApiClient, whose clients wait for an answer for ever. */
	#client(signal: AbortSignal): DiscoveryV1Api {
		const middleware: Middleware = {
			async pre(request) {
				request.setSignal(signal);
				return request;
			},
			post: async (response) => response,
		};
		const configuration = createConfiguration({
			baseServer: new ServerConfiguration(this.#config.getCurrentCluster()?.server ?? "", {}),
			authMethods: { default: this.#config },
			promiseMiddleware: [middleware],
		});
		return new DiscoveryV1Api(configuration);
	}

	get #selector(): string {
		return `kubernetes.io/service-name=${this.#watched.service}`;
	}
}
