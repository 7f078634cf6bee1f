import { once } from "node:events";
import net from "node:net";
import { onTestFinished } from "vitest";

/** A TCP relay to `port` that can fall silent, as a network does: nothing passes, and nobody is told. */
export interface Relay {
	readonly address: string;
	pause(): void;
	resume(): void;
}

export async function startRelay(port: number): Promise<Relay> {
	const sockets = new Set<net.Socket>();
	const server = net.createServer((client) => {
		const upstream = net.connect(port, "127.0.0.1");
		for (const [from, to] of [
			[client, upstream],
			[upstream, client],
		] as const) {
			sockets.add(from);
			from.setNoDelay();
			from.on("data", (chunk) => to.write(chunk));
			from.on("end", () => to.end());
			from.on("error", () => to.destroy());
			from.on("close", () => sockets.delete(from));
		}
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	onTestFinished(() => {
		server.close();
		for (const socket of sockets) socket.destroy();
	});
	return {
		address: `127.0.0.1:${(server.address() as net.AddressInfo).port}`,
		pause() {
			for (const socket of sockets) socket.pause();
		},
		resume() {
			for (const socket of sockets) socket.resume();
		},
	};
}
