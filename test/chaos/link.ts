import net from "node:net";
import { listen } from "../../common/listen.ts";

/** How bytes pass. `silent`: not at all, and nobody is told; `reset`: connections break, and none is made. */
export type Passage = "open" | "silent" | "reset" | { readonly delayMs: number };

interface Place {
	readonly host: string;
	readonly port: number;
}

/** The network in front of one server for one of its clients: a TCP relay that can be slow, silent or broken. */
export class Link {
	readonly #server = net.createServer({ noDelay: true });
	readonly #sockets = new Set<net.Socket>();
	#passage: Passage = "open";

	constructor(target: Place) {
		this.#server.on("connection", (client) => this.#relay(client, target));
	}

	/** Resolves with the port; 0 chooses a free one. */
	async listen(at: Place): Promise<number> {
		const { port } = await listen(this.#server, at);
		return port;
	}

	get passage(): Passage {
		return this.#passage;
	}

	set passage(passage: Passage) {
		this.#passage = passage;
		for (const socket of this.#sockets) {
			if (passage === "reset") socket.resetAndDestroy();
			else if (passage === "silent") socket.pause();
			else socket.resume();
		}
	}

	close(): void {
		this.#server.close();
		for (const socket of this.#sockets) socket.destroy();
	}

	#relay(client: net.Socket, target: Place): void {
		if (this.#passage === "reset") return void client.resetAndDestroy();
		const server = net.connect({ ...target, noDelay: true });
		this.#pass(client, server);
		this.#pass(server, client);
	}

	#pass(from: net.Socket, to: net.Socket): void {
		this.#sockets.add(from);
		/** Bytes stay in order when the delay becomes shorter. */
		let lastAt = 0;
		const later = (work: () => void) => {
			const delayMs = typeof this.#passage === "object" ? this.#passage.delayMs : 0;
			lastAt = Math.max(lastAt, performance.now() + delayMs);
			const waitMs = lastAt - performance.now();
			if (waitMs <= 0) work();
			else setTimeout(work, waitMs);
		};
		from.on("data", (chunk) => later(() => to.write(chunk)));
		from.on("end", () => later(() => to.end()));
		from.on("error", () => to.resetAndDestroy());
		from.on("close", () => {
			this.#sockets.delete(from);
			// Who has gone cannot be written to; the other end hears of it.
			if (!from.readableEnded) to.destroy();
		});
		if (this.#passage === "silent") from.pause();
	}
}
