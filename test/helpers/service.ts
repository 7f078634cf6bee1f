import net from "node:net";
import { onTestFinished } from "vitest";
import { listen } from "../../common/listen.ts";

/** How often a Service's endpoints learn who is ready; in Kubernetes the probe's period, or a pod's deletion. */
const probeMs = 200;

/** A proxy on its usual ports. */
export interface Endpoint {
	readonly host: string;
}

export interface Service {
	/** tcp://127.0.0.1:PORT. */
	readonly address: string;
	/** New connects that went to each endpoint, in their order. */
	readonly connects: readonly number[];
	/** Resolves when this endpoint is among those that get new connects. */
	whenReady(endpoint: Endpoint): Promise<void>;
}

/**
 * What kube-proxy is to a Service: one address, whose new connects go to the endpoints that said they are ready when
 * they were last asked, in turn. A connect that is refused is refused; an established one stays where it is.
 */
export async function startService(endpoints: readonly Endpoint[]): Promise<Service> {
	const ready = new Set<Endpoint>();
	const connects = endpoints.map(() => 0);
	let stopped = false;
	const probing = endpoints.map(async (endpoint) => {
		while (!stopped) {
			if (await isReady(endpoint)) ready.add(endpoint);
			else ready.delete(endpoint);
			await new Promise((resolve) => setTimeout(resolve, probeMs));
		}
	});
	const sockets = new Set<net.Socket>();
	let turn = 0;
	const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
		const able = endpoints.filter((endpoint) => ready.has(endpoint));
		const endpoint = able[turn++ % able.length];
		if (endpoint === undefined) return void client.resetAndDestroy();
		const index = endpoints.indexOf(endpoint);
		connects[index] = (connects[index] ?? 0) + 1;
		const proxy = net.connect({ port: 1234, host: endpoint.host, allowHalfOpen: true, noDelay: true });
		for (const [from, to] of [
			[client, proxy],
			[proxy, client],
		] as const) {
			sockets.add(from);
			from.pipe(to);
			from.on("error", () => to.resetAndDestroy());
			from.on("close", () => sockets.delete(from));
		}
	});
	const { port } = await listen(server, { host: "127.0.0.1", port: 0 });
	onTestFinished(async () => {
		stopped = true;
		for (const socket of sockets) socket.destroy();
		server.close();
		await Promise.all(probing);
	});
	return {
		address: `tcp://127.0.0.1:${port}`,
		connects,
		async whenReady(endpoint) {
			while (!ready.has(endpoint)) await new Promise((resolve) => setTimeout(resolve, 20));
		},
	};
}

async function isReady({ host }: Endpoint): Promise<boolean> {
	try {
		const response = await fetch(`http://${host}:8081/readyz`, {
			signal: AbortSignal.timeout(1_000),
		});
		await response.body?.cancel();
		return response.ok;
	} catch {
		return false;
	}
}
