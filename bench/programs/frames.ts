import {
	clientPreface,
	flag,
	frame,
	frameHeaderBytes,
	frameType,
	readFrameHeader,
} from "../../proxy/hold/http2.ts";

/** What the stand-in daemon sends first, as buildkitd does: MAX_FRAME_SIZE = 16384. */
export const daemonSettings = frame(frameType.settings, 0, 0, Buffer.from([0, 5, 0, 0, 0x40, 0]));

/** A header that no table remembers, in plain letters (RFC 7541, 6.2.2). */
function literalHeader(name: string, value: string): Buffer {
	const [nameBytes, valueBytes] = [Buffer.from(name), Buffer.from(value)];
	const parts = [[0, nameBytes.length], nameBytes, [valueBytes.length], valueBytes];
	return Buffer.concat(parts.map((part) => Buffer.from(part)));
}

/** What a client sends first; the proxy looks for a daemon when it has read the first request. */
export const clientOpening = Buffer.concat([
	clientPreface,
	frame(frameType.settings, 0, 0, Buffer.alloc(0)),
	frame(
		frameType.headers,
		flag.endHeaders,
		1,
		Buffer.concat([
			literalHeader(":method", "POST"),
			literalHeader(":scheme", "http"),
			literalHeader(":path", "/moby.buildkit.v1.Control/Solve"),
			literalHeader(":authority", "bench"),
			literalHeader("content-type", "application/grpc"),
			literalHeader("te", "trailers"),
		]),
	),
]);

/** A frame type that HTTP/2 leaves to extensions, and a proxy to the ends. */
const commandType = 0xbe;
const direction = { up: 0, down: 1 } as const;
export type Direction = keyof typeof direction;

export interface Command {
	readonly direction: Direction;
	/** How many raw bytes, no frames, follow in that direction. */
	readonly bytes: number;
}

/** The client's last frame on a connection. */
export function commandFrame(command: Command): Buffer {
	const payload = Buffer.alloc(9);
	payload[0] = direction[command.direction];
	payload.writeDoubleBE(command.bytes, 1);
	return frame(commandType, 0, 0, payload);
}

interface WholeFrame {
	readonly type: number;
	readonly flags: number;
	readonly payload: Buffer;
}

export function readCommand({ type, payload }: WholeFrame): Command | undefined {
	if (type !== commandType) return undefined;
	return { direction: payload[0] === direction.up ? "up" : "down", bytes: payload.readDoubleBE(1) };
}

/** Takes a connection's first bytes apart, up to the last frame before the raw bytes. */
export class FrameReader {
	#bytes: Buffer;
	#skip: number;

	/** `skip`: how many bytes come before the first frame. */
	constructor(skip: number) {
		this.#bytes = Buffer.alloc(0);
		this.#skip = skip;
	}

	add(bytes: Buffer): void {
		this.#bytes = Buffer.concat([this.#bytes, bytes]);
	}

	/** The next frame, once it is whole. */
	next(): WholeFrame | undefined {
		if (this.#bytes.length < this.#skip + frameHeaderBytes) return undefined;
		this.#bytes = this.#bytes.subarray(this.#skip);
		this.#skip = 0;
		const { length, type, flags } = readFrameHeader(this.#bytes);
		const end = frameHeaderBytes + length;
		if (this.#bytes.length < end) return undefined;
		const payload = this.#bytes.subarray(frameHeaderBytes, end);
		this.#bytes = this.#bytes.subarray(end);
		return { type, flags, payload };
	}

	/** How many bytes came after the last frame. */
	get left(): number {
		return this.#bytes.length;
	}
}
