import { describe, expect, test } from "vitest";
import { frame, frameType, h2Error, settingsAck } from "../../proxy/hold/http2.ts";
import { clientOpening, clientSettings, firstRequest, RawClient } from "../helpers/raw-client.ts";
import { startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy } from "../helpers/test-proxy.ts";

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
		["a TLS hello", Buffer.from([0x16, 0x03, 0x01, 0x00, 0xa5, 0x01, 0x00]), "tls"],
	])("%s is closed at once", async (_what, bytes, reason) => {
		const { port, events, closedCount } = await startTestProxy();
		const client = await RawClient.connect(port);
		client.send(bytes);
		await client.closed;
		expect(client.received).toHaveLength(0);
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
		const { port, source, events, moves, until, closedCount } = await startTestProxy();
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

	test("PINGs without end, whose answers it does not read: closed, memory bounded", async () => {
		const { port, closedCount, moves, until } = await startTestProxy();
		const client = await RawClient.opened(port);
		client.socket.pause();
		const pings = Buffer.concat(
			Array.from({ length: 1_000 }, () => frame(frameType.ping, 0, 0, Buffer.alloc(8))),
		);
		await flood(client, pings, 10_000);
		await until(() => moves.at(-1)?.state === "closed");
		client.socket.resume();
		await client.closed;
		expect(await closedCount("protocolError")).toBe(1);
	});

	test.each([
		["a frame of 16 MB", Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]), h2Error.frameSizeError],
		["a short PING", frame(frameType.ping, 0, 0, Buffer.alloc(4)), h2Error.frameSizeError],
	])("%s: closed with its HTTP/2 error", async (_what, bytes, code) => {
		const { port, closedCount } = await startTestProxy();
		const client = await RawClient.opened(port);
		client.send(bytes);
		const { payload } = await client.frame((f) => f.type === frameType.goaway);
		expect(payload.readUInt32BE(4)).toBe(code);
		await client.closed;
		expect(await closedCount("protocolError")).toBe(1);
	});

	test("SETTINGS without end count as held bytes", async () => {
		const { port, closedCount, moves, until } = await startTestProxy();
		const client = await RawClient.opened(port);
		await flood(client, Buffer.concat(Array.from({ length: 1_000 }, () => clientSettings)), 100);
		await client.closed;
		await until(() => moves.at(-1)?.state === "closed");
		expect(await closedCount("heldTooMuch")).toBe(1);
	});

	test("a connection too many is closed before it costs anything", async () => {
		const { port, closedCount } = await startTestProxy({ limits: { maxConnections: 2 } });
		const first = await RawClient.opened(port);
		await RawClient.opened(port);
		const third = await RawClient.connect(port);
		await third.closed;
		expect(await closedCount("tooManyConnections")).toBe(1);
		expect(first.socket.destroyed).toBe(false);
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
