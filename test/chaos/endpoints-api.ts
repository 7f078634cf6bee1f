import http from "node:http";
import { listen } from "../../common/listen.ts";

/** What a daemon's EndpointSlice says of its pod. */
export interface PodEndpoint {
	readonly name: string;
	readonly uid: string;
	readonly host: string;
	readonly port: number;
	readonly serving: boolean;
	readonly terminating: boolean;
}

interface Watcher {
	readonly proxy: string;
	readonly response: http.ServerResponse;
	/** Lines that a stalled watch has not been sent. */
	readonly kept: string[];
}

const json = { "content-type": "application/json" };

/**
 * The EndpointSlices of one Service, one slice a pod so that each has a port of its own, as the API server lists and
 * watches them. Each proxy has a base path of its own, so that its watch can stand still.
 */
export class EndpointsApi {
	readonly port: number;
	readonly #server: http.Server;
	readonly #slices = new Map<string, object>();
	/** All that was told, so that a watch goes on from any version. */
	readonly #history: { readonly version: number; readonly line: string }[] = [];
	readonly #watchers = new Set<Watcher>();
	readonly #stalled = new Set<string>();
	#version = 1;

	private constructor(server: http.Server, port: number) {
		this.#server = server;
		this.port = port;
		server.on("request", (request, response) => this.#answer(request, response));
	}

	static async open(): Promise<EndpointsApi> {
		const server = http.createServer();
		const { port } = await listen(server, { host: "127.0.0.1", port: 0 });
		return new EndpointsApi(server, port);
	}

	/** A kubeconfig for this proxy. */
	kubeconfig(proxy: string): string {
		// The client library takes plaintext for what must be asked for like this.
		const cluster = {
			server: `http://127.0.0.1:${this.port}/${proxy}`,
			"insecure-skip-tls-verify": true,
		};
		return JSON.stringify({
			apiVersion: "v1",
			kind: "Config",
			clusters: [{ name: "chaos", cluster }],
			users: [{ name: "chaos", user: {} }],
			contexts: [{ name: "chaos", context: { cluster: "chaos", user: "chaos" } }],
			"current-context": "chaos",
		});
	}

	put(endpoint: PodEndpoint): void {
		const type = this.#slices.has(endpoint.uid) ? "MODIFIED" : "ADDED";
		const slice = this.#slice(endpoint);
		this.#slices.set(endpoint.uid, slice);
		this.#tell(type, slice);
	}

	remove(uid: string): void {
		const slice = this.#slices.get(uid);
		if (slice === undefined) return;
		this.#slices.delete(uid);
		this.#tell("DELETED", { ...slice, metadata: { name: uid, resourceVersion: `${++this.#version}` } });
	}

	stall(proxy: string): void {
		this.#stalled.add(proxy);
	}

	resume(proxy: string): void {
		this.#stalled.delete(proxy);
		for (const watcher of this.#watchers) {
			if (watcher.proxy === proxy) for (const line of watcher.kept.splice(0)) watcher.response.write(line);
		}
	}

	close(): void {
		this.#server.close();
		this.#server.closeAllConnections();
	}

	#slice({ name, uid, host, port, serving, terminating }: PodEndpoint): object {
		return {
			metadata: { name: uid, resourceVersion: `${++this.#version}` },
			addressType: "IPv4",
			endpoints: [
				{
					addresses: [host],
					// Only a StatefulSet's pods have one.
					hostname: name,
					targetRef: { kind: "Pod", name, uid },
					conditions: { ready: serving && !terminating, serving, terminating },
				},
			],
			ports: [{ name: "buildkit", port, protocol: "TCP" }],
		};
	}

	#tell(type: string, object: object): void {
		const line = `${JSON.stringify({ type, object })}\n`;
		this.#history.push({ version: this.#version, line });
		for (const { proxy, response, kept } of this.#watchers) {
			if (this.#stalled.has(proxy)) kept.push(line);
			else response.write(line);
		}
	}

	#answer(request: http.IncomingMessage, response: http.ServerResponse): void {
		const url = new URL(request.url ?? "/", "http://api");
		const [, proxy = "", ...path] = url.pathname.split("/");
		if (path.at(-1) !== "endpointslices") {
			// Pods and their events: a proxy that may not see them does without.
			response.writeHead(403, json).end(JSON.stringify({ kind: "Status", code: 403, message: "forbidden" }));
			return;
		}
		if (url.searchParams.get("watch") !== null) return this.#watch(proxy, url, response);
		const items = [...this.#slices.values()];
		const list = { kind: "EndpointSliceList", metadata: { resourceVersion: `${this.#version}` }, items };
		response.writeHead(200, json).end(JSON.stringify(list));
	}

	#watch(proxy: string, url: URL, response: http.ServerResponse): void {
		const watcher: Watcher = { proxy, response, kept: [] };
		response.writeHead(200, json).flushHeaders();
		const from = Number(url.searchParams.get("resourceVersion"));
		for (const { version, line } of this.#history) if (version > from) response.write(line);
		this.#watchers.add(watcher);
		const seconds = Number(url.searchParams.get("timeoutSeconds"));
		const end = setTimeout(() => {
			this.#tellBookmark(watcher);
			response.end();
		}, seconds * 1_000);
		response.on("close", () => {
			clearTimeout(end);
			this.#watchers.delete(watcher);
		});
	}

	#tellBookmark({ kept, response }: Watcher): void {
		for (const line of kept.splice(0)) response.write(line);
		const metadata = { resourceVersion: `${this.#version}` };
		const object = { kind: "EndpointSlice", apiVersion: "discovery.k8s.io/v1", metadata };
		response.write(`${JSON.stringify({ type: "BOOKMARK", object })}\n`);
	}
}
