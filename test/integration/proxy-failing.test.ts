import { describe, expect, test } from "vitest";
import { frameType, h2Error, settingsAck } from "../../proxy/hold/http2.ts";
import { request } from "../helpers/h2-request.ts";
import { clientOpening, RawClient } from "../helpers/raw-client.ts";
import { startTestProxy } from "../helpers/test-proxy.ts";

describe("failing", () => {
	test("after the maximum wait every stream gets the reason, and so does one opened later", async () => {
		const { port, clock, until, moves, events } = await startTestProxy({ maxWaitMs: 5_000 });
		const { session, answer } = request(port);
		const first = answer();
		await until(() => moves.at(-1)?.state === "waiting");
		// The request follows the preface; the failure must find it there.
		await until(() => events.some((e) => e.type === "connection.opened"));
		clock.advance(5_000);
		const expected = {
			"grpc-status": "8",
			"grpc-message": expect.stringContaining("within 5 s: none has been started"),
		};
		expect(await first).toMatchObject(expected);
		expect(await answer()).toMatchObject(expected);
		expect(events.at(-1)).toMatchObject({
			type: "connection.closed",
			connection: { reason: "waitTimeout" },
			snapshot: { waiting: 0 },
		});
		const gone = new Promise((resolve) => session.once("goaway", resolve));
		clock.advance(5_000);
		await gone;
	});

	test("a full queue is told at once, and who waited before goes on waiting", async () => {
		const { port, until, moves, proxy } = await startTestProxy({ limits: { maxQueue: 1 } });
		await RawClient.opened(port);
		await until(() => moves.at(-1)?.state === "waiting");
		const answer = await request(port).answer();
		expect(answer).toMatchObject({
			"grpc-status": "8",
			"grpc-message": expect.stringContaining("1 builds are waiting"),
		});
		expect(proxy.state().pools[0]).toMatchObject({ waiting: 1 });
	});

	test("a client that asks for nothing is no build, and is let go with GOAWAY", async () => {
		const { port, clock, until, moves, proxy, events } = await startTestProxy();
		const client = await RawClient.connect(port);
		client.send(Buffer.concat([clientOpening, settingsAck]));
		await until(() => proxy.state().pools[0]?.connections[0]?.bytesFromClient === 42);
		clock.advance(10_000);
		const { payload } = await client.frame((f) => f.type === frameType.goaway);
		expect(payload.readUInt32BE(4)).toBe(h2Error.noError);
		await client.closed;
		expect(moves.map((m) => m.reason ?? m.state)).toEqual(["opening", "noRequest"]);
		expect(events.every((e) => e.snapshot.waiting === 0)).toBe(true);
	});

	test.each([
		"/opentelemetry.proto.collector.trace.v1.TraceService/Export",
		"/moby.buildkit.v1.frontend.LLBBridge/Return",
	])("what a client sends after its daemon died is answered at once and wakes nobody: %s", async (path) => {
		const { port, events, moves } = await startTestProxy();
		expect(await request(port, path).answer()).toMatchObject({
			"grpc-status": "8",
			"grpc-message": expect.stringContaining("is over"),
		});
		expect(moves.at(-1)).toMatchObject({ state: "failing", reason: "noBuild" });
		expect(events.map((e) => e.type)).toEqual(["proxy.state"]);
	});
});
