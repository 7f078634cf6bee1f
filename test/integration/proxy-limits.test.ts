import { describe, expect, test } from "vitest";
import { frame, frameType } from "../../proxy/hold/http2.ts";
import type { Limits } from "../../proxy/limits.ts";
import { clientOpening, firstRequest, RawClient } from "../helpers/raw-client.ts";
import { startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy } from "../helpers/test-proxy.ts";

describe("a connection too many is closed before it costs anything", () => {
	test.each<[string, Partial<Limits>]>([
		["tooManyConnections", { maxConnections: 2 }],
		["tooManyFromAddress", { maxConnectionsPerAddress: 2 }],
	])("%s", async (reason, limits) => {
		const { port, closedCount, lines, moves, until } = await startTestProxy({ limits });
		const first = await RawClient.opened(port);
		await RawClient.opened(port);
		const third = await RawClient.connect(port);
		await third.closed;
		expect(third.received).toHaveLength(0);
		expect(await closedCount(reason)).toBe(1);
		expect(lines.at(-1)).toMatchObject({ msg: "client turned away", reason, client: expect.any(String) });
		expect(first.socket.destroyed).toBe(false);
		first.socket.destroy();
		await until(() => moves.at(-1)?.state === "closed");
		const fourth = await RawClient.opened(port);
		await until(() => moves.at(-1)?.state === "waiting");
		expect(fourth.socket.destroyed).toBe(false);
	});

	test("tooManyHandshakes: the newest is refused, until an older one asks or runs out of time", async () => {
		const { port, clock, closedCount, moves, until } = await startTestProxy({ limits: { maxOpening: 2 } });
		const first = await RawClient.connect(port);
		await until(() => moves.length === 1);
		clock.advance(5_000);
		await RawClient.connect(port);
		await until(() => moves.length === 2);
		const third = await RawClient.connect(port);
		await third.closed;
		expect(await closedCount("tooManyHandshakes")).toBe(1);
		clock.advance(5_000);
		await first.closed;
		expect(await closedCount("noPreface")).toBe(1);
		const fourth = await RawClient.opened(port);
		await until(() => moves.at(-1)?.state === "waiting");
		expect(fourth.socket.destroyed).toBe(false);
	});
});

test("what all clients have sent together is bounded; who is refused reads why, and who waits is served", async () => {
	const limits = { maxTotalHeldBytes: 64 * 1024 };
	const { port, source, closedCount, lines, metric, moves, until } = await startTestProxy({ limits });
	const data = frame(frameType.data, 0, 1, Buffer.alloc(15_000));
	const first = await RawClient.opened(port);
	first.send(Buffer.concat([data, data]));
	await until(() => moves.at(-1)?.state === "waiting");
	const second = await RawClient.connect(port);
	second.send(Buffer.concat([clientOpening, firstRequest, data, data, data]));
	const answer = await second.frame((f) => f.type === frameType.headers);
	expect(answer.payload.toString("latin1")).toContain("holds as much as it may");
	expect(await closedCount("holdFull")).toBe(0);
	expect(lines.at(-1)).toMatchObject({ msg: "build refused", reason: "holdFull" });
	expect(await metric("buildkit_proxy_held_bytes")).toBeLessThanOrEqual(32 * 1024);
	second.socket.destroy();
	await until(() => moves.at(-1)?.state === "closed");
	expect(await closedCount("holdFull")).toBe(1);
	const daemon = await startStandIn();
	source.set([daemon.port]);
	await first.frame((f) => f.type === frameType.settings && f.length === 6);
	await until(() => (daemon.connections[0]?.received.length ?? 0) > 30_000);
	expect(await metric("buildkit_proxy_held_bytes")).toBe(0);
});
