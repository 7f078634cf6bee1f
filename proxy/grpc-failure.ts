import { flag, frame, frameType } from "./http2.ts";

/** gRPC status RESOURCE_EXHAUSTED: the one code that both buildctl and buildx show with its message. */
const resourceExhausted = 8;
/** Long enough for an explanation, short enough for a header. */
const maxMessageBytes = 1_000;

/**
 * A gRPC answer that is only a failure ("Trailers-Only", gRPC over HTTP/2): one HEADERS frame that ends the stream.
 * The user reads `message` in the terminal.
 */
export function grpcFailure(streamId: number, message: string): Buffer {
	const block = Buffer.concat([
		// Indexed field 8 of the static table: `:status: 200` (RFC 7541, 6.1 and appendix A).
		Buffer.from([0x88]),
		// Field 31 of the static table is `content-type`; literal without indexing (RFC 7541, 6.2.2): 0x0f, 31 - 15.
		Buffer.from([0x0f, 31 - 15]),
		literal("application/grpc"),
		field("grpc-status", String(resourceExhausted)),
		field("grpc-message", percentEncode(message)),
	]);
	return frame(frameType.headers, flag.endHeaders | flag.endStream, streamId, block);
}

/** Literal header field without indexing, new name (RFC 7541, 6.2.2): leaves the client's dynamic table alone. */
function field(name: string, value: string): Buffer {
	return Buffer.concat([Buffer.from([0x00]), literal(name), literal(value)]);
}

/** A string literal, not Huffman coded (RFC 7541, 5.2), its length as a 7-bit prefixed integer (5.1). */
function literal(text: string): Buffer {
	const bytes = Buffer.from(text, "latin1");
	const length: number[] = [];
	if (bytes.length < 127) {
		length.push(bytes.length);
	} else {
		let rest = bytes.length - 127;
		length.push(127);
		while (rest >= 128) {
			length.push((rest & 0x7f) | 0x80);
			rest >>>= 7;
		}
		length.push(rest);
	}
	return Buffer.concat([Buffer.from(length), bytes]);
}

/** Percent-encoding of grpc-message: UTF-8, everything but printable ASCII and '%' as is (gRPC over HTTP/2). */
function percentEncode(message: string): string {
	let encoded = "";
	for (const byte of Buffer.from(message, "utf8").subarray(0, maxMessageBytes)) {
		const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
		encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
	}
	return encoded;
}
