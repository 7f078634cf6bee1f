import { describe, expect, test } from "vitest";
import { encodeField } from "../../proxy/hold/hpack.ts";
import { flag, frame, frameType, h2Error, settingsAck } from "../../proxy/hold/http2.ts";
import { clientOpening, clientSettings, firstRequest, RawClient } from "../helpers/raw-client.ts";
import { startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy } from "../helpers/test-proxy.ts";

const ping = frame(frameType.ping, 0, 0, Buffer.alloc(8));

function numbered(count: number): Buffer {
	const payload = Buffer.alloc(8);
	payload.writeUInt32BE(count);
	return payload;
}

/** Writes as long as the socket takes it and it is not closed. */
async function flood(client: RawClient, bytes: Buffer, times: number): Promise<void> {
	for (let i = 0; i < times && !client.socket.destroyed; i++) {
		if (!client.socket.write(bytes)) {
			await new Promise<void>((resolve) => {
				client.socket.once("drain", resolve).once("close", resolve);
			});
		}
	}
}

describe("what is not a client never becomes a build", () => {
	test.each([
		["garbage", Buffer.from("\x01\x02\x03 whatever"), "notHttp2"],
		["an HTTP/1 request", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "http1"],
		[
			"an upgrade to h2c",
			Buffer.from("GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"),
			"http1",
		],
		["a TLS hello", Buffer.from([0x16, 0x03, 0x01, 0x00, 0xa5, 0x01, 0x00]), "tls"],
	])("%s is closed at once", async (_what, bytes, reason) => {
		const { port, events, closedCount, lines } = await startTestProxy();
		const client = await RawClient.connect(port);
		client.send(bytes);
		await client.closed;
		expect(client.received).toHaveLength(0);
		expect(lines).toMatchObject([{ msg: "connection closed", reason, message: "not HTTP/2" }]);
		expect(await closedCount(reason)).toBe(1);
		expect(events.filter((e) => e.type !== "proxy.state")).toEqual([]);
	});

	test.each([
		["a bare connect", Buffer.alloc(0)],
		["a half-sent preface", clientOpening.subarray(0, 12)],
	])("%s is closed after 10 s", async (_what, bytes) => {
		const { port, clock, moves, until, closedCount } = await startTestProxy();
		const client = await RawClient.connect(port);
		client.send(bytes);
		await until(() => moves.length === 1);
		clock.advance(9_999);
		expect(client.socket.destroyed).toBe(false);
		clock.advance(1);
		await client.closed;
		expect(await closedCount("noPreface")).toBe(1);
	});

	test("1,000 bare connects wake nobody and stop no client", async () => {
		const limits = { maxConnectionsPerAddress: 2_000 };
		const { port, source, events, moves, until, closedCount } = await startTestProxy({ limits });
		const bare = await Promise.all(Array.from({ length: 1_000 }, () => RawClient.connect(port)));
		await until(() => moves.length === 1_000);
		expect(events.every((e) => e.snapshot.waiting === 0)).toBe(true);
		const daemon = await startStandIn();
		source.set([daemon.port]);
		const client = await RawClient.opened(port);
		await client.frame((f) => f.length === 6);
		for (const { socket } of bare) socket.destroy();
		await until(() => moves.filter((m) => m.state === "closed").length === 1_000);
		expect(await closedCount("noPreface")).toBe(1_000);
	});
});

describe("a held client that breaks the protocol", () => {
	test("10 MB while held: closed with FLOW_CONTROL_ERROR, 256 KiB kept at most", async () => {
		const { port, closedCount, moves, until } = await startTestProxy();
		const client = await RawClient.opened(port);
		await flood(client, frame(0, 0, 1, Buffer.alloc(16_000)), 640);
		await client.closed;
		await until(() => moves.at(-1)?.state === "closed");
		expect(await closedCount("heldTooMuch")).toBe(1);
	});

	test("no SETTINGS ACK within 10 s: closed with SETTINGS_TIMEOUT", async () => {
		const { port, clock, closedCount, moves, until, events } = await startTestProxy();
		const client = await RawClient.connect(port);
		client.send(Buffer.concat([clientOpening, firstRequest]));
		await until(() => moves.at(-1)?.state === "waiting");
		clock.advance(10_000);
		const { payload } = await client.frame((f) => f.type === frameType.goaway);
		expect(payload.readUInt32BE(4)).toBe(h2Error.settingsTimeout);
		await client.closed;
		expect(await closedCount("noSettingsAck")).toBe(1);
		await until(() => events.at(-1)?.snapshot.waiting === 0);
	});

	test("PINGs without end: closed with ENHANCE_YOUR_CALM after 100", async () => {
		const { port, closedCount, moves, until, lines } = await startTestProxy();
		const client = await RawClient.opened(port);
		await flood(client, Buffer.concat(Array.from({ length: 1_000 }, () => ping)), 1);
		const { payload } = await client.frame((f) => f.type === frameType.goaway);
		expect(payload.readUInt32BE(4)).toBe(h2Error.enhanceYourCalm);
		expect(client.frames().filter((f) => f.type === frameType.ping)).toHaveLength(100);
		await client.closed;
		await until(() => moves.at(-1)?.state === "closed");
		expect(await closedCount("tooManyPings")).toBe(1);
		expect(lines.at(-1)).toMatchObject({ reason: "tooManyPings", message: "too_many_pings" });
	});

	test("a keepalive PING every 10 s for an hour is answered each time", async () => {
		const { port, clock, moves, until } = await startTestProxy({ maxWaitMs: 7_200_000 });
		const client = await RawClient.opened(port);
		await until(() => moves.at(-1)?.state === "waiting");
		for (let sent = 1; sent <= 360; sent++) {
			clock.advance(10_000);
			client.send(frame(frameType.ping, 0, 0, numbered(sent)));
			await client.frame((f) => f.type === frameType.ping && f.payload.equals(numbered(sent)));
		}
		expect(moves.at(-1)?.state).toBe("waiting");
	});

	test("streams without end: closed with ENHANCE_YOUR_CALM", async () => {
		const { port, closedCount } = await startTestProxy();
		const client = await RawClient.opened(port);
		const streams = Array.from({ length: 1_001 }, (_, i) =>
			frame(frameType.headers, flag.endHeaders, 2 * i + 3, Buffer.from([0x83])),
		);
		client.send(Buffer.concat(streams));
		const { payload } = await client.frame((f) => f.type === frameType.goaway);
		expect(payload.readUInt32BE(4)).toBe(h2Error.enhanceYourCalm);
		await client.closed;
		expect(await closedCount("tooManyStreams")).toBe(1);
	});

	test("a refused client that opens streams without end and reads no answer: closed, memory bounded", async () => {
		const { port, clock, closedCount, moves, until } = await startTestProxy({ maxWaitMs: 1_000 });
		const client = await RawClient.opened(port);
		await until(() => moves.at(-1)?.state === "waiting");
		client.socket.pause();
		clock.advance(1_000);
		await until(() => moves.at(-1)?.state === "failing");
		const streams = Array.from({ length: 1_000 }, (_, i) =>
			frame(frameType.headers, flag.endHeaders, 2 * i + 3, Buffer.from([0x83])),
		);
		await flood(client, Buffer.concat(streams), 10_000);
		await until(() => moves.at(-1)?.state === "closed");
		client.socket.resume();
		await client.closed;
		expect(await closedCount("protocolError")).toBe(1);
	});

	test.each([
		["a frame of 16 MB", Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]), h2Error.frameSizeError],
		["SETTINGS on a stream", frame(frameType.settings, 0, 1, Buffer.alloc(0)), h2Error.protocolError],
		["DATA on stream 0", frame(frameType.data, 0, 0, Buffer.from("data")), h2Error.protocolError],
		["a short PING", frame(frameType.ping, 0, 0, Buffer.alloc(4)), h2Error.frameSizeError],
	])("%s: closed with its HTTP/2 error", async (_what, bytes, code) => {
		const { port, closedCount, metric, lines } = await startTestProxy();
		const client = await RawClient.opened(port);
		client.send(bytes);
		const { payload } = await client.frame((f) => f.type === frameType.goaway);
		expect(payload.readUInt32BE(4)).toBe(code);
		await client.closed;
		expect(await closedCount("protocolError")).toBe(1);
		expect(lines.at(-1)).toMatchObject({ connection: expect.any(String), reason: "protocolError" });
		expect(lines.at(-1)?.["message"]).toBe(payload.toString("utf8", 8));
		expect(await metric("buildkit_proxy_held_bytes")).toBe(0);
	});

	test.each([
		[
			"a broken HPACK block",
			frame(frameType.headers, flag.endHeaders | flag.endStream, 1, Buffer.from([0xff, 0xff])),
			"protocolError",
			h2Error.compressionError,
		],
		[
			"CONTINUATION without HEADERS",
			frame(frameType.continuation, flag.endHeaders, 1, Buffer.from([0x83])),
			"protocolError",
			h2Error.compressionError,
		],
		[
			"empty CONTINUATIONs without end",
			Buffer.concat([
				frame(frameType.headers, 0, 1, encodeField(":method", "POST")),
				...Array.from({ length: 10_000 }, () => frame(frameType.continuation, 0, 1, Buffer.alloc(0))),
			]),
			"headersTooLarge",
			h2Error.enhanceYourCalm,
		],
		[
			"full CONTINUATIONs without end",
			Buffer.concat([
				frame(frameType.headers, 0, 1, encodeField(":method", "POST")),
				...Array.from({ length: 10 }, () => frame(frameType.continuation, 0, 1, Buffer.alloc(16_384))),
			]),
			"headersTooLarge",
			h2Error.enhanceYourCalm,
		],
	])("%s as the first request: no build, and its HTTP/2 error", async (_what, bytes, reason, code) => {
		const { port, closedCount, metric, lines, events } = await startTestProxy();
		const client = await RawClient.connect(port);
		client.send(Buffer.concat([clientOpening, settingsAck, bytes]));
		const { payload } = await client.frame((f) => f.type === frameType.goaway);
		expect(payload.readUInt32BE(4)).toBe(code);
		await client.closed;
		expect(await closedCount(reason)).toBe(1);
		expect(lines).toMatchObject([{ msg: "connection closed", reason, message: expect.any(String) }]);
		expect(events.filter((e) => e.type !== "proxy.state")).toEqual([]);
		expect(await metric("buildkit_proxy_held_bytes")).toBe(0);
		expect(await metric("buildkit_proxy_connections")).toBe(0);
	});

	test.each([
		["SETTINGS", clientSettings],
		["empty DATA", frame(frameType.data, 0, 1, Buffer.alloc(0))],
		["PRIORITY", frame(frameType.priority, 0, 1, Buffer.alloc(5))],
		["frames of an unknown type", frame(0xbe, 0, 1, Buffer.alloc(0))],
	])("%s without end count as held bytes, and cost no more", async (_what, bytes) => {
		const { port, closedCount, moves, until, metric } = await startTestProxy();
		const client = await RawClient.opened(port);
		const most = 250_000 / bytes.length;
		client.send(Buffer.concat(Array.from({ length: most }, () => bytes)));
		client.send(ping);
		// Answered in order: the proxy has read all of it.
		await client.frame((f) => f.type === frameType.ping);
		expect(await metric("buildkit_proxy_held_bytes")).toBe(256 * 1024);
		await flood(client, Buffer.concat(Array.from({ length: 1_000 }, () => bytes)), 100);
		await client.closed;
		await until(() => moves.at(-1)?.state === "closed");
		expect(await closedCount("heldTooMuch")).toBe(1);
		expect(await metric("buildkit_proxy_held_bytes")).toBe(0);
	});

	test("its second ACK is the daemon's business", async () => {
		const { port, moves } = await startTestProxy();
		const client = await RawClient.opened(port);
		client.send(settingsAck);
		client.send(frame(frameType.ping, 0, 0, Buffer.alloc(8)));
		await client.frame((f) => f.type === frameType.ping);
		expect(moves.at(-1)?.state).toBe("waiting");
	});
});
