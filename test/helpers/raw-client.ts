import net from "node:net";
import tls from "node:tls";
import { encodeField } from "../../proxy/hold/hpack.ts";
import {
	clientPreface,
	type FrameHeader,
	flag,
	frame,
	frameHeaderBytes,
	frameType,
	readFrameHeader,
	settingsAck,
} from "../../proxy/hold/http2.ts";

export const clientSettings = frame(frameType.settings, 0, 0, Buffer.alloc(0));
/** What grpc-go sends on a new connection, before it waits for the server's SETTINGS. */
export const clientOpening = Buffer.concat([clientPreface, clientSettings]);
/** The first RPC of every build (without the body, which says nothing). */
export const firstRequest = frame(
	frameType.headers,
	flag.endHeaders | flag.endStream,
	1,
	Buffer.concat([
		encodeField(":method", "POST"),
		encodeField(":path", "/moby.buildkit.v1.Control/ListWorkers"),
	]),
);

/** All that a client sends in `RawClient.opened`. */
export const openedBytes = clientOpening.length + settingsAck.length + firstRequest.length;

export interface ReceivedFrame extends FrameHeader {
	readonly payload: Buffer;
}

type From = Pick<net.TcpNetConnectOpts, "localAddress" | "allowHalfOpen">;

/** A client that speaks bytes, for what no well-behaved client would send. */
export class RawClient {
	readonly socket: net.Socket;
	readonly closed: Promise<void>;
	received = Buffer.alloc(0);
	readonly #arrived = new Set<() => void>();

	private constructor(socket: net.Socket) {
		this.socket = socket;
		this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
		socket.on("error", () => {});
		socket.on("data", (chunk: Buffer) => {
			this.received = Buffer.concat([this.received, chunk]);
			for (const check of this.#arrived) check();
		});
		socket.on("close", () => {
			for (const check of this.#arrived) check();
		});
	}

	/** In plaintext, or with TLS. `from.localAddress` tells clients apart: all of 127.0.0.0/8 is this machine. */
	static async connect(port: number, secure?: tls.ConnectionOptions, from: From = {}): Promise<RawClient> {
		const to = { port, host: "127.0.0.1", noDelay: true, ...from };
		const socket = secure === undefined ? net.connect(to) : tls.connect({ ...to, ...secure });
		const connected = secure === undefined ? "connect" : "secureConnect";
		await new Promise<void>((resolve, reject) => socket.once(connected, resolve).once("error", reject));
		return new RawClient(socket);
	}

	/** A client that behaves: preface, SETTINGS, the ACK of the server's, and its first request. */
	static async opened(port: number, secure?: tls.ConnectionOptions, from?: From): Promise<RawClient> {
		const client = await RawClient.connect(port, secure, from);
		client.send(clientOpening);
		await client.frame((f) => f.type === frameType.settings);
		client.send(settingsAck);
		client.send(firstRequest);
		return client;
	}

	send(bytes: Uint8Array): void {
		this.socket.write(bytes);
	}

	frames(): ReceivedFrame[] {
		const frames: ReceivedFrame[] = [];
		let at = 0;
		while (this.received.length - at >= frameHeaderBytes) {
			const header = readFrameHeader(this.received.subarray(at));
			const end = at + frameHeaderBytes + header.length;
			if (end > this.received.length) break;
			frames.push({ ...header, payload: this.received.subarray(at + frameHeaderBytes, end) });
			at = end;
		}
		return frames;
	}

	/** Resolves with the first frame received, so far or later, that matches. */
	frame(matches: (frame: ReceivedFrame) => boolean): Promise<ReceivedFrame> {
		return new Promise((resolve, reject) => {
			const check = () => {
				const found = this.frames().find(matches);
				if (found === undefined && !this.socket.destroyed) return;
				this.#arrived.delete(check);
				if (found === undefined) reject(new Error("the connection closed without such a frame"));
				else resolve(found);
			};
			this.#arrived.add(check);
			check();
		});
	}
}
