import net from "node:net";
import { listen } from "../../common/listen.ts";
import type { Instance } from "./instance.ts";

const retryMs = 20;

/** A connect that an instance took. Times are `performance.now`. */
export interface Passing {
	readonly instance: Instance;
	/** What the instance knows the client by: 127.0.0.1:PORT. */
	readonly client: string;
	readonly askedAt: number;
	endedAt: number | undefined;
}

export interface FrontOptions {
	readonly instances: () => readonly Instance[];
	readonly port: number;
	/** While nobody is ready: a connect waits (as behind a load balancer), or is refused (as by kube-proxy). */
	readonly whenNone: "wait" | "refuse";
}

/** What a Service is to its clients: one address, and new connects go to the instances that are ready, in turn. */
export class Front {
	static #turn = 0;
	readonly port: number;
	readonly passings: Passing[] = [];
	readonly #options: FrontOptions;
	readonly #server: net.Server;
	readonly #sockets = new Set<net.Socket>();

	private constructor(server: net.Server, port: number, options: FrontOptions) {
		this.#server = server;
		this.port = port;
		this.#options = options;
		server.on("connection", (client) => this.#take(client));
	}

	static async open(options: FrontOptions): Promise<Front> {
		const server = net.createServer({ allowHalfOpen: true, noDelay: true });
		const { port } = await listen(server, { host: "127.0.0.1", port: 0 });
		return new Front(server, port, options);
	}

	close(): void {
		this.#server.close();
		for (const socket of this.#sockets) socket.destroy();
	}

	#take(client: net.Socket): void {
		this.#keep(client);
		client.on("error", () => client.destroy());
		this.#connect(client);
	}

	#connect(client: net.Socket): void {
		if (client.destroyed) return;
		const able = this.#options.instances().filter(({ isReady }) => isReady);
		const instance = able[Front.#turn++ % able.length];
		if (instance === undefined) {
			if (this.#options.whenNone === "refuse") client.resetAndDestroy();
			else setTimeout(() => this.#connect(client), retryMs);
			return;
		}
		const askedAt = performance.now();
		const to = { port: this.#options.port, host: instance.host, allowHalfOpen: true, noDelay: true };
		// It may have gone since it was ready: then another one gets the client.
		const refused = () => setTimeout(() => this.#connect(client), retryMs);
		const upstream = net.connect(to).once("error", refused);
		this.#keep(upstream);
		upstream.once("connect", () => {
			upstream.off("error", refused);
			const passing: Passing = {
				instance,
				client: `${upstream.localAddress}:${upstream.localPort}`,
				askedAt,
				endedAt: undefined,
			};
			this.passings.push(passing);
			upstream.once("close", () => {
				passing.endedAt = performance.now();
			});
			this.#pass(client, upstream);
			this.#pass(upstream, client);
		});
	}

	#pass(from: net.Socket, to: net.Socket): void {
		from.pipe(to);
		from.on("error", () => to.resetAndDestroy());
		from.on("close", () => {
			if (!from.readableEnded) to.destroy();
		});
	}

	#keep(socket: net.Socket): void {
		this.#sockets.add(socket);
		socket.on("close", () => this.#sockets.delete(socket));
	}
}
