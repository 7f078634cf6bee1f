import { decodeHuffman } from "./huffman.ts";

/** Fields 1 to 61, "name: value" (RFC 7541, appendix A). */
const staticTable: readonly (readonly [name: string, value: string])[] = [
	[":authority", ""],
	[":method", "GET"],
	[":method", "POST"],
	[":path", "/"],
	[":path", "/index.html"],
	[":scheme", "http"],
	[":scheme", "https"],
	[":status", "200"],
	[":status", "204"],
	[":status", "206"],
	[":status", "304"],
	[":status", "400"],
	[":status", "404"],
	[":status", "500"],
	["accept-charset", ""],
	["accept-encoding", "gzip, deflate"],
	...(
		"accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control " +
		"content-disposition content-encoding content-language content-length content-location content-range " +
		"content-type cookie date etag expect expires from host if-match if-modified-since if-none-match if-range " +
		"if-unmodified-since last-modified link location max-forwards proxy-authenticate proxy-authorization range " +
		"referer refresh retry-after server set-cookie strict-transport-security transfer-encoding user-agent vary " +
		"via www-authenticate"
	)
		.split(" ")
		.map((name): [string, string] => [name, ""]),
];

/** SETTINGS_HEADER_TABLE_SIZE nobody has changed: the initial value (RFC 9113, 6.5.2). */
const maxTableBytes = 4_096;
/** What an entry costs beside its name and value (RFC 7541, 4.1). */
const entryOverheadBytes = 32;

class CompressionError extends Error {}

/**
 * Decodes the first header block of a connection, whose dynamic table is still empty; later fields of a name win.
 * Undefined when the block is broken (RFC 9113, 4.3: COMPRESSION_ERROR). Nothing but the block's own bytes is needed,
 * and they stay as they are: the daemon decodes them again.
 */
export function decodeFirstBlock(block: Uint8Array): ReadonlyMap<string, string> | undefined {
	try {
		return new BlockReader(block).read();
	} catch (error) {
		if (error instanceof CompressionError) return undefined;
		throw error;
	}
}

class BlockReader {
	readonly #bytes: Uint8Array;
	#at = 0;
	/** Newest first (RFC 7541, 2.3.3). */
	readonly #table: (readonly [string, string])[] = [];
	#tableBytes = 0;
	#maxTableBytes = maxTableBytes;

	constructor(bytes: Uint8Array) {
		this.#bytes = bytes;
	}

	read(): ReadonlyMap<string, string> {
		const headers = new Map<string, string>();
		while (this.#at < this.#bytes.length) {
			const first = this.#bytes[this.#at] ?? 0;
			if (first & 0x80) {
				const [name, value] = this.#entry(this.#integer(7));
				headers.set(name, value);
			} else if ((first & 0xe0) === 0x20) {
				const size = this.#integer(5);
				if (size > maxTableBytes) throw new CompressionError();
				this.#maxTableBytes = size;
				this.#evict();
			} else {
				// Incremental indexing has a prefix of 6 bits, "without" and "never" have 4 (RFC 7541, 6.2).
				const indexed = (first & 0x40) !== 0;
				const nameIndex = this.#integer(indexed ? 6 : 4);
				const name = nameIndex === 0 ? this.#string() : this.#entry(nameIndex)[0];
				const value = this.#string();
				headers.set(name, value);
				if (indexed) this.#insert(name, value);
			}
		}
		return headers;
	}

	#entry(index: number): readonly [string, string] {
		const entry =
			index <= staticTable.length ? staticTable[index - 1] : this.#table[index - staticTable.length - 1];
		if (entry === undefined) throw new CompressionError();
		return entry;
	}

	#insert(name: string, value: string): void {
		this.#table.unshift([name, value]);
		this.#tableBytes += name.length + value.length + entryOverheadBytes;
		this.#evict();
	}

	#evict(): void {
		while (this.#tableBytes > this.#maxTableBytes) {
			const [name = "", value = ""] = this.#table.pop() ?? [];
			this.#tableBytes -= name.length + value.length + entryOverheadBytes;
		}
	}

	/** RFC 7541, 5.1. */
	#integer(prefixBits: number): number {
		const mask = (1 << prefixBits) - 1;
		let value = this.#byte() & mask;
		if (value < mask) return value;
		for (let shift = 0; ; shift += 7) {
			const byte = this.#byte();
			value += (byte & 0x7f) * 2 ** shift;
			if ((byte & 0x80) === 0) return value;
			// Nothing in a block of this size needs more.
			if (shift > 21) throw new CompressionError();
		}
	}

	/** RFC 7541, 5.2. */
	#string(): string {
		const isHuffman = ((this.#bytes[this.#at] ?? 0) & 0x80) !== 0;
		const length = this.#integer(7);
		const end = this.#at + length;
		if (end > this.#bytes.length) throw new CompressionError();
		const bytes = this.#bytes.subarray(this.#at, end);
		this.#at = end;
		const text = isHuffman ? decodeHuffman(bytes) : Buffer.from(bytes).toString("latin1");
		if (text === undefined) throw new CompressionError();
		return text;
	}

	#byte(): number {
		const byte = this.#bytes[this.#at++];
		if (byte === undefined) throw new CompressionError();
		return byte;
	}
}

/** A field as a literal without indexing and without Huffman coding: leaves the peer's dynamic table alone (6.2.2). */
export function encodeField(name: string, value: string): Buffer {
	const nameIndex = staticTable.findIndex(([entry]) => entry === name) + 1;
	const head = nameIndex === 0 ? [Buffer.from([0]), encodeString(name)] : [encodeInteger(nameIndex, 4)];
	return Buffer.concat([...head, encodeString(value)]);
}

function encodeString(text: string): Buffer {
	const bytes = Buffer.from(text, "latin1");
	return Buffer.concat([encodeInteger(bytes.length, 7), bytes]);
}

function encodeInteger(value: number, prefixBits: number): Buffer {
	const mask = (1 << prefixBits) - 1;
	if (value < mask) return Buffer.from([value]);
	const bytes = [mask];
	let rest = value - mask;
	for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
	return Buffer.from([...bytes, rest]);
}
