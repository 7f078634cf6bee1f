import http2 from "node:http2";
import { duplexPair } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { grpcFailure } from "./grpc-failure.ts";
import { earlySettings } from "./http2.ts";

/** What an independent HTTP/2 client makes of the bytes. */
function receive(message: string): Promise<http2.IncomingHttpHeaders> {
	const [clientSide, serverSide] = duplexPair();
	const session = http2.connect("http://daemon", { createConnection: () => clientSide });
	return new Promise((resolve, reject) => {
		session.on("error", reject);
		serverSide.write(earlySettings);
		const stream = session.request({ ":method": "POST", ":path": "/moby.buildkit.v1.Control/ListWorkers" });
		stream.on("response", (headers) => {
			resolve(headers);
			session.destroy();
		});
		stream.on("error", reject);
		serverSide.once("data", () => serverSide.write(grpcFailure(1, message)));
	});
}

test("is a Trailers-Only answer with RESOURCE_EXHAUSTED", async () => {
	expect(await receive("no daemon had room within 5 s")).toMatchObject({
		":status": 200,
		"content-type": "application/grpc",
		"grpc-status": "8",
		"grpc-message": "no daemon had room within 5 s",
	});
});

test("any message arrives whole, percent-encoded", async () => {
	const anyMessage = fc.string({ unit: "grapheme", maxLength: 60 }).filter((text) => text.trim() !== "");
	await fc.assert(
		fc.asyncProperty(anyMessage, async (message) => {
			const received = (await receive(message))["grpc-message"];
			expect(decodeURIComponent(String(received))).toBe(Buffer.from(message.trim()).toString());
		}),
		{ numRuns: 50 },
	);
});

test("a message of any length stays a header", async () => {
	const received = (await receive("x".repeat(100_000)))["grpc-message"];
	expect(received).toHaveLength(1_000);
});
