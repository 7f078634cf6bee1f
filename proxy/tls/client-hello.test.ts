import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import tls from "node:tls";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ClientHelloReader, type HelloVerdict } from "./client-hello.ts";

/** The first bytes of Node's (OpenSSL's) own client. */
async function realHello(options: tls.ConnectionOptions): Promise<Buffer> {
	const server = net.createServer();
	await once(server.listen(0, "127.0.0.1"), "listening");
	const client = tls.connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", ...options });
	client.on("error", () => {});
	const [socket] = await once(server, "connection");
	const [bytes] = await once(socket, "data");
	client.destroy();
	socket.destroy();
	server.close();
	return bytes;
}

function readAll(...chunks: readonly Uint8Array[]): HelloVerdict {
	const reader = new ClientHelloReader();
	let verdict: HelloVerdict = { t: "more" };
	for (const chunk of chunks) if (verdict.t === "more") verdict = reader.read(chunk);
	return verdict;
}

/** A ClientHello with these extensions, in records of at most `recordBytes`. */
function hello(extensions: Buffer, recordBytes = 16_384): Buffer {
	const vector = (bytes: number, content: Buffer) => {
		const length = Buffer.alloc(bytes);
		length.writeUIntBE(content.length, 0, bytes);
		return Buffer.concat([length, content]);
	};
	const parts = [
		Buffer.alloc(34, 3),
		vector(1, Buffer.alloc(32)),
		vector(2, Buffer.alloc(8)),
		vector(1, Buffer.alloc(1)),
		vector(2, extensions),
	];
	const message = Buffer.concat([Buffer.from([1]), vector(3, Buffer.concat(parts))]);
	const records: Buffer[] = [];
	for (let at = 0; at < message.length; at += recordBytes) {
		records.push(Buffer.from([22, 3, 1]), vector(2, message.subarray(at, at + recordBytes)));
	}
	return Buffer.concat(records);
}

function serverName(name: string, type = 0): Buffer {
	const bytes = Buffer.from(name, "latin1");
	const extension = Buffer.alloc(9 + bytes.length);
	extension.writeUInt16BE(bytes.length + 5, 2);
	extension.writeUInt16BE(bytes.length + 3, 4);
	extension[6] = type;
	extension.writeUInt16BE(bytes.length, 7);
	bytes.copy(extension, 9);
	return extension;
}

describe("a real client's hello", () => {
	test.each([
		["TLS 1.3", { servername: "Pool-A.Example" }, "pool-a.example"],
		["TLS 1.2", { servername: "b.example", maxVersion: "TLSv1.2" }, "b.example"],
		["without a name", {}, undefined],
	] as const)("%s, whole and split anywhere", async (_what, options, expected) => {
		const bytes = await realHello(options);
		const verdict = { t: "hello", serverName: expected };
		expect(readAll(bytes)).toEqual(verdict);
		for (let cut = 1; cut < bytes.length; cut++) {
			expect(readAll(bytes.subarray(0, cut))).toEqual({ t: "more" });
			expect(readAll(bytes.subarray(0, cut), bytes.subarray(cut))).toEqual(verdict);
		}
	});
});

test("a hello may be cut over many records", () => {
	expect(readAll(hello(serverName("many.example"), 7))).toEqual({ t: "hello", serverName: "many.example" });
});

test("a hello in records of one byte each, read one by one, costs no more than its bytes", () => {
	const padding = Buffer.alloc(16_000);
	padding.writeUInt16BE(21, 0);
	padding.writeUInt16BE(padding.length - 4, 2);
	const bytes = hello(padding, 1);
	const records = Array.from({ length: bytes.length / 6 }, (_, i) => bytes.subarray(6 * i, 6 * i + 6));
	const startedAt = performance.now();
	expect(readAll(...records)).toEqual({ t: "hello", serverName: undefined });
	// It was 15 s, when all that had come was looked at again with each record.
	expect(performance.now() - startedAt).toBeLessThan(2_000);
});

test.each([
	["HTTP/1", Buffer.from("GET / HTTP/1.1\r\n"), "notTls"],
	["another message than a ClientHello", Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0]), "tlsFailed"],
	["another record in the middle", Buffer.from([22, 3, 1, 0, 1, 1, 23, 3, 3, 0, 1, 0]), "tlsFailed"],
	["a record that is too long", Buffer.from([22, 3, 1, 0xff, 0xff, 1]), "tlsFailed"],
	["a message that is too long", Buffer.from([22, 3, 1, 0, 4, 1, 1, 0, 0]), "tlsFailed"],
	["a name that is none", hello(serverName("a b")), "tlsFailed"],
	["a name of another type", hello(serverName("a", 1)), "tlsFailed"],
	["an extension that is cut off", hello(serverName("abc").subarray(0, 8)), "tlsFailed"],
])("refuses %s", (_what, bytes, reason) => {
	expect(readAll(bytes)).toMatchObject({ t: "refuse", reason });
});

test("never throws, whatever the bytes and however they are cut, and never asks for more for ever", () => {
	const record = fc
		.uint8Array({ maxLength: 200 })
		.map((bytes) => Buffer.from([22, 3, 1, 0, bytes.length, ...bytes]));
	const chunk = fc.oneof(fc.uint8Array({ maxLength: 60 }), record, fc.constant(hello(serverName("x"))));
	fc.assert(
		fc.property(fc.array(chunk, { maxLength: 20 }), (chunks) => {
			expect(["more", "hello", "refuse"]).toContain(readAll(...chunks).t);
		}),
	);
	const endless = Array.from({ length: 20_000 }, () => Buffer.from([22, 3, 1, 0, 1, 1]));
	expect(readAll(...endless.slice(0, 1), Buffer.concat(endless)).t).toBe("refuse");
});
