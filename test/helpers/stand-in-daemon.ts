import net from "node:net";
import tls from "node:tls";
import { onTestFinished } from "vitest";
import { frame, frameType } from "../../proxy/hold/http2.ts";

/** What buildkitd of every version sends first: MAX_FRAME_SIZE = 16384. */
export const daemonSettings = frame(frameType.settings, 0, 0, Buffer.from([0, 5, 0, 0, 0x40, 0]));

export interface StandInConnection {
	readonly socket: net.Socket;
	/** Everything read so far. */
	received: Buffer;
}

/**
 * A daemon for faults that a real one cannot be made to show: `onConnection` decides what it does. Without one it
 * answers with its SETTINGS, as buildkitd does, and only listens from then on.
 */
export class StandInDaemon {
	readonly connections: StandInConnection[] = [];
	readonly #server: net.Server;

	private constructor(onConnection: (socket: net.Socket) => void, secure: tls.TlsOptions | undefined) {
		const accept = (socket: net.Socket) => {
			const connection: StandInConnection = { socket, received: Buffer.alloc(0) };
			socket.on("error", () => {});
			socket.on("data", (chunk: Buffer) => {
				connection.received = Buffer.concat([connection.received, chunk]);
			});
			this.connections.push(connection);
			onConnection(socket);
		};
		this.#server =
			secure === undefined
				? net.createServer({ allowHalfOpen: true }, accept)
				: tls.createServer({ allowHalfOpen: true, ...secure }, accept);
	}

	/** In plaintext, or with TLS. */
	static async start(
		onConnection: (socket: net.Socket) => void = answerAndListen,
		secure?: tls.TlsOptions,
	): Promise<StandInDaemon> {
		const daemon = new StandInDaemon(onConnection, secure);
		await new Promise<void>((resolve) => daemon.#server.listen(0, "127.0.0.1", resolve));
		return daemon;
	}

	get port(): number {
		const address = this.#server.address();
		if (typeof address !== "object" || address === null) throw new Error("not listening");
		return address.port;
	}

	async stop(): Promise<void> {
		for (const { socket } of this.connections) socket.destroy();
		await new Promise<void>((resolve) => this.#server.close(() => resolve()));
	}
}

function answerAndListen(socket: net.Socket): void {
	socket.write(daemonSettings);
	socket.on("end", () => socket.end());
}

/** A stand-in that stops when the test ends. */
export async function startStandIn(...args: Parameters<typeof StandInDaemon.start>): Promise<StandInDaemon> {
	const daemon = await StandInDaemon.start(...args);
	onTestFinished(() => daemon.stop());
	return daemon;
}
