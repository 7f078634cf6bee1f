import type { CloseReason } from "../../events/schema.ts";

/** A ClientHello of today has 200 to 2,000 bytes (post-quantum key shares); RFC 8446 would allow 16 MiB. */
const maxHelloBytes = 16 * 1024;

const handshakeRecord = 22;
const majorVersion = 3;
const clientHello = 1;
const serverNameExtension = 0;
const hostName = 0;
const recordHeaderBytes = 5;
/** A handshake message's type and length (RFC 8446, 4). */
const headBytes = 4;
/** TLSPlaintext.length (RFC 8446, 5.1). */
const maxRecordBytes = 16_384;

export type HelloVerdict =
	| { readonly t: "more" }
	/** The name that the client wants to talk to (RFC 6066, 3), in lower case; undefined when it says none. */
	| { readonly t: "hello"; readonly serverName: string | undefined }
	| { readonly t: "refuse"; readonly reason: CloseReason; readonly why: string };

class HelloError extends Error {}

/**
 * Reads a TLS client's first message, split anywhere, for the server name in it. Pure; the bytes stay with the caller.
 * Looks at each byte once, for the message may come in records of one byte each (RFC 8446, 5.1).
 */
export class ClientHelloReader {
	readonly #header = Buffer.alloc(recordHeaderBytes);
	/** Bytes of the header, then of the payload, of the record that has begun. */
	#haveHeader = 0;
	#payloadLeft = 0;
	/** What the records have carried so far. */
	readonly #parts: Buffer[] = [];
	/** The message's own header: its type and length. */
	readonly #head = Buffer.alloc(headBytes);
	#length = 0;

	read(chunk: Uint8Array): HelloVerdict {
		try {
			let at = 0;
			while (at < chunk.length) {
				if (this.#payloadLeft === 0) {
					const verdict = this.#headerByte(chunk[at++] ?? 0);
					if (verdict !== undefined) return verdict;
				} else {
					const part = Buffer.from(chunk.subarray(at, at + this.#payloadLeft));
					at += part.length;
					const message = this.#payload(part);
					if (message !== undefined) return { t: "hello", serverName: serverNameOf(new Reader(message)) };
				}
			}
			return { t: "more" };
		} catch (error) {
			if (error instanceof HelloError) return refuse("tlsFailed", error.message);
			throw error;
		}
	}

	#headerByte(byte: number): HelloVerdict | undefined {
		const at = this.#haveHeader++;
		this.#header[at] = byte;
		if (at <= 1 && byte !== (at === 0 ? handshakeRecord : majorVersion)) {
			if (this.#parts.length === 0) return refuse("notTls", "not TLS");
			throw new HelloError("a malformed record");
		}
		if (this.#haveHeader < recordHeaderBytes) return undefined;
		const length = this.#header.readUInt16BE(3);
		if (length === 0 || length > maxRecordBytes) throw new HelloError("a malformed record");
		this.#haveHeader = 0;
		this.#payloadLeft = length;
		return undefined;
	}

	/** Takes in more of the message; returns it, without its header, when it is whole. */
	#payload(part: Buffer): Buffer | undefined {
		part.copy(this.#head, Math.min(this.#length, headBytes));
		this.#payloadLeft -= part.length;
		this.#length += part.length;
		this.#parts.push(part);
		if (this.#head[0] !== clientHello) throw new HelloError("not a ClientHello");
		if (this.#length < headBytes) return undefined;
		const length = this.#head.readUIntBE(1, 3);
		if (length > maxHelloBytes) throw new HelloError(`a ClientHello of more than ${maxHelloBytes} bytes`);
		if (this.#length < headBytes + length) return undefined;
		return Buffer.concat(this.#parts).subarray(headBytes, headBytes + length);
	}
}

/** ClientHello (RFC 8446, 4.1.2; TLS 1.2 is the same up to here). */
function serverNameOf(hello: Reader): string | undefined {
	hello.skip(2 + 32); // legacy_version, random
	hello.vector(1); // legacy_session_id
	hello.vector(2); // cipher_suites
	hello.vector(1); // legacy_compression_methods
	if (hello.isAtEnd) return undefined;
	const extensions = hello.vector(2);
	while (!extensions.isAtEnd) {
		const type = extensions.integer(2);
		const extension = extensions.vector(2);
		if (type !== serverNameExtension) continue;
		const names = extension.vector(2);
		const nameType = names.integer(1);
		const name = names.vector(2).rest().toString("latin1").toLowerCase();
		if (nameType !== hostName || !/^[a-z0-9._-]{1,253}$/.test(name))
			throw new HelloError("a malformed server name");
		return name;
	}
	return undefined;
}

/** Reads big-endian integers and length-prefixed vectors (RFC 8446, 3.4); throws HelloError at the end of the bytes. */
class Reader {
	readonly #bytes: Buffer;
	#at = 0;

	constructor(bytes: Buffer) {
		this.#bytes = bytes;
	}

	get isAtEnd(): boolean {
		return this.#at === this.#bytes.length;
	}

	skip(length: number): Buffer {
		const end = this.#at + length;
		if (end > this.#bytes.length) throw new HelloError("a ClientHello that ends too early");
		const skipped = this.#bytes.subarray(this.#at, end);
		this.#at = end;
		return skipped;
	}

	integer(bytes: 1 | 2): number {
		return this.skip(bytes).readUIntBE(0, bytes);
	}

	vector(lengthBytes: 1 | 2): Reader {
		return new Reader(this.skip(this.integer(lengthBytes)));
	}

	rest(): Buffer {
		return this.#bytes.subarray(this.#at);
	}
}

function refuse(reason: CloseReason, why: string): HelloVerdict {
	return { t: "refuse", reason, why };
}
