import http2 from "node:http2";
import { duplexPair } from "node:stream";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeFirstBlock, encodeField } from "./hpack.ts";
import { clientPreface, frameHeaderBytes, frameType, readFrameHeader } from "./http2.ts";

/** The header block that an independent HTTP/2 client (nghttp2) sends for its first request. */
async function blockOf(headers: http2.OutgoingHttpHeaders): Promise<Buffer> {
	const [clientSide, serverSide] = duplexPair();
	const session = http2.connect("http://daemon:1234", { createConnection: () => clientSide });
	session.on("error", () => {});
	session.request(headers, { endStream: true }).on("error", () => {});
	let bytes = Buffer.alloc(0);
	for await (const chunk of serverSide) {
		bytes = Buffer.concat([bytes, chunk]);
		for (let at = clientPreface.length; bytes.length - at >= frameHeaderBytes; ) {
			const { length, type } = readFrameHeader(bytes.subarray(at));
			const end = at + frameHeaderBytes + length;
			if (end > bytes.length) break;
			if (type === frameType.headers) {
				session.destroy();
				return bytes.subarray(at + frameHeaderBytes, end);
			}
			at = end;
		}
	}
	throw new Error("no HEADERS");
}

describe("decodeFirstBlock", () => {
	test("reads what nghttp2 writes, whatever the values", async () => {
		const token = fc.stringMatching(/^x-[a-z0-9-]{1,12}$/);
		const value = fc.stringMatching(/^[!-~]([ -~]{0,40}[!-~])?$/);
		await fc.assert(
			fc.asyncProperty(fc.dictionary(token, value, { maxKeys: 12 }), value, async (extra, path) => {
				const headers = {
					":method": "POST",
					":path": `/${path}`,
					"content-type": "application/grpc",
					...extra,
				};
				const decoded = decodeFirstBlock(await blockOf(headers));
				expect(Object.fromEntries(decoded ?? [])).toMatchObject(headers);
			}),
			{ numRuns: 100 },
		);
	});

	test("reads what encodeField writes, of any length", () => {
		const field = fc.tuple(fc.stringMatching(/^[a-z-]{1,20}$/), fc.stringMatching(/^[ -~]{0,300}$/));
		fc.assert(
			fc.property(fc.uniqueArray(field, { selector: ([name]) => name }), (fields) => {
				const block = Buffer.concat(fields.map(([name, value]) => encodeField(name, value)));
				expect([...(decodeFirstBlock(block) ?? [])]).toEqual(fields);
			}),
		);
	});

	test("entries that a block has just inserted can be referred to", () => {
		// 0x40: literal with incremental indexing, new name; 0xbe: index 62, the newest entry (RFC 7541, C.2.1).
		const block = Buffer.concat([
			Buffer.from([0x40, 1]),
			Buffer.from("a"),
			Buffer.from([1]),
			Buffer.from("b"),
		]);
		expect([...decodeFirstBlock(Buffer.concat([block, Buffer.from([0xbe])]))!]).toEqual([["a", "b"]]);
		expect(decodeFirstBlock(Buffer.concat([block, Buffer.from([0xbf])]))).toBeUndefined();
	});

	test.each([
		["index 0", [0x80]],
		["an index beyond the tables", [0xff, 0x00]],
		["a string longer than the block", [0x00, 0x05, 0x61]],
		["a table size nobody allowed", [0x3f, 0xe2, 0x1f]],
		["an integer without end", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
		["Huffman padding of more than 7 bits", [0x00, 0x82, 0xff, 0xff, 0x00]],
		["Huffman padding with a zero", [0x00, 0x81, 0x00, 0x00]],
	])("refuses %s", (_what, bytes) => {
		expect(decodeFirstBlock(Uint8Array.from(bytes))).toBeUndefined();
	});

	test("never throws, whatever the bytes", () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
				const decoded = decodeFirstBlock(bytes);
				if (decoded !== undefined) expect(decoded.size).toBeLessThanOrEqual(bytes.length);
			}),
			{ numRuns: 2_000 },
		);
	});
});
