/** The few constants and frames of HTTP/2 (RFC 9113) that a hold needs. */

/** The client's connection preface (RFC 9113, 3.4). */
export const clientPreface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** Length of every frame's header: length (3), type (1), flags (1), stream (4) (RFC 9113, 4.1). */
export const frameHeaderBytes = 9;

/** SETTINGS_MAX_FRAME_SIZE nobody has raised yet: the initial value (RFC 9113, 6.5.2). */
export const initialMaxFrameBytes = 16_384;

/** Frame types (RFC 9113, 6). */
export const frameType = {
	data: 0,
	headers: 1,
	priority: 2,
	rstStream: 3,
	settings: 4,
	pushPromise: 5,
	ping: 6,
	goaway: 7,
	continuation: 9,
} as const;

export const flag = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

/** Error codes (RFC 9113, 7). */
export const h2Error = {
	noError: 0,
	protocolError: 1,
	flowControlError: 3,
	settingsTimeout: 4,
	frameSizeError: 6,
	compressionError: 9,
	enhanceYourCalm: 11,
} as const;
export type H2Error = (typeof h2Error)[keyof typeof h2Error];

export interface FrameHeader {
	readonly length: number;
	readonly type: number;
	readonly flags: number;
	readonly streamId: number;
}

/** Reads the 9 bytes of a frame header; the reserved bit of the stream id is ignored (RFC 9113, 4.1). */
export function readFrameHeader(bytes: Uint8Array): FrameHeader {
	const view = new DataView(bytes.buffer, bytes.byteOffset, frameHeaderBytes);
	return {
		length: view.getUint32(0) >>> 8,
		type: view.getUint8(3),
		flags: view.getUint8(4),
		streamId: view.getUint32(5) & 0x7fffffff,
	};
}

/** One whole frame. */
export function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
	const bytes = Buffer.allocUnsafe(frameHeaderBytes + payload.length);
	bytes.writeUIntBE(payload.length, 0, 3);
	bytes[3] = type;
	bytes[4] = flags;
	bytes.writeUInt32BE(streamId, 5);
	bytes.set(payload, frameHeaderBytes);
	return bytes;
}

const nothing = new Uint8Array(0);

/**
 * The server's connection preface, sent before any daemon exists. Empty on purpose: no INITIAL_WINDOW_SIZE, so that
 * the client stops at 65,535 bytes by itself; no MAX_CONCURRENT_STREAMS and no HEADER_TABLE_SIZE, since grpc-go
 * takes what the daemon sends later.
 */
export const earlySettings = frame(frameType.settings, 0, 0, nothing);
export const settingsAck = frame(frameType.settings, flag.ack, 0, nothing);

/** The answer to a PING: the same 8 bytes (RFC 9113, 6.7). */
export function pingAck(payload: Uint8Array): Buffer {
	return frame(frameType.ping, flag.ack, 0, payload);
}

/** GOAWAY with debug data, which grpc-go shows to the user on some paths (RFC 9113, 6.8). */
export function goaway(lastStreamId: number, code: H2Error, debug: string): Buffer {
	const text = Buffer.from(debug, "utf8");
	const payload = Buffer.allocUnsafe(8 + text.length);
	payload.writeUInt32BE(lastStreamId, 0);
	payload.writeUInt32BE(code, 4);
	payload.set(text, 8);
	return frame(frameType.goaway, 0, 0, payload);
}
