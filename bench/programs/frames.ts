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

/** What grpc-go sends on a new connection before it waits for the server's SETTINGS. */
export const prefaceAndSettings = Buffer.concat([
	clientPreface,
	frame(frameType.settings, 0, 0, Buffer.alloc(0)),
]);

/** A first request: its HEADERS, without a body. */
export function request(path: string, headers: Readonly<Record<string, string>> = {}): Buffer {
	const all = {
		":method": "POST",
		":scheme": "http",
		":path": path,
		":authority": "bench",
		"content-type": "application/grpc",
		te: "trailers",
		...headers,
	};
	const block = Object.entries(all).map(([name, value]) => literalHeader(name, value));
	return frame(frameType.headers, flag.endHeaders, 1, Buffer.concat(block));
}

/** A build's first request; the proxy looks for a daemon when it has read it. */
export const buildRequest = request("/moby.buildkit.v1.Control/Solve");

/** What the clients and the daemon of `soak` say to each other, in types that HTTP/2 leaves to extensions. */
export const soakFrame = { echo: 0xbf, hangUp: 0xc0 } as const;

interface WholeFrame {
	readonly type: number;
	readonly flags: number;
	readonly payload: Buffer;
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
