import { encodeField } from "./hpack.ts";
import { flag, frame, frameType } from "./http2.ts";

/** gRPC status RESOURCE_EXHAUSTED: the one code that both buildctl and buildx show with its message. */
const resourceExhausted = "8";
/** Long enough for an explanation, short enough for a header. */
const maxMessageBytes = 1_000;

/**
 * A gRPC answer that is only a failure ("Trailers-Only", gRPC over HTTP/2): one HEADERS frame that ends the stream.
 * The user reads `message` in the terminal.
 */
export function grpcFailure(streamId: number, message: string): Buffer {
	const block = Buffer.concat([
		encodeField(":status", "200"),
		encodeField("content-type", "application/grpc"),
		encodeField("grpc-status", resourceExhausted),
		encodeField("grpc-message", percentEncode(message)),
	]);
	return frame(frameType.headers, flag.endHeaders | flag.endStream, streamId, block);
}

/**
 * Percent-encoding of grpc-message: UTF-8, everything but printable ASCII and '%' as is (gRPC over HTTP/2). Trimmed,
 * since a field that begins or ends with a space is malformed (RFC 9113, 8.2.1).
 */
function percentEncode(message: string): string {
	let encoded = "";
	for (const byte of Buffer.from(message.trim(), "utf8").subarray(0, maxMessageBytes)) {
		const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
		encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
	}
	return encoded;
}
