import { describe, expect, test } from "vitest";
import { frameType, settingsAck } from "../../proxy/hold/http2.ts";
import { request } from "../helpers/h2-request.ts";
import { watchForLeaks } from "../helpers/leaks.ts";
import { clientOpening, firstRequest, RawClient } from "../helpers/raw-client.ts";
import { startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy, type TestProxy } from "../helpers/test-proxy.ts";

const isOpened = ({ moves }: TestProxy, count: number) =>
	moves.filter(({ state }) => state === "opening").length === count;
const waiting = ({ proxy }: TestProxy) => proxy.state().pools[0]?.waiting;
const daemonAnswer = (client: RawClient) =>
	client.frame(({ type, length }) => type === frameType.settings && length === 6);

/** The drain, and whether it is over. */
function drain({ proxy }: TestProxy): { readonly done: Promise<void>; isDone: boolean } {
	const draining = {
		isDone: false,
		done: proxy.drain().then(() => {
			draining.isDone = true;
		}),
	};
	return draining;
}

describe("drain", () => {
	test("serves who comes within the grace as ever, though the proxy is not ready any more", async () => {
		const tested = await startTestProxy({ drainGraceMs: 5_000 });
		const draining = drain(tested);
		expect(tested.proxy.ready()).toEqual({ ok: false, reason: "draining" });
		tested.clock.advance(4_999);
		const client = await RawClient.opened(tested.port);
		await tested.until(() => waiting(tested) === 1);
		tested.clock.advance(1);
		// The drain goes on a turn of the event loop later.
		await new Promise((resolve) => setImmediate(resolve));
		await expect(RawClient.connect(tested.port)).rejects.toThrow(/ECONNREFUSED/);
		const daemon = await startStandIn();
		tested.source.set([daemon.port]);
		await daemonAnswer(client);
		expect(draining.isDone).toBe(false);
		client.socket.destroy();
		await draining.done;
	});

	test("takes nobody new after it, serves who waits, ends when the last build does", async () => {
		const tested = await startTestProxy();
		const leftNothing = watchForLeaks(tested);
		const client = await RawClient.opened(tested.port);
		await tested.until(() => waiting(tested) === 1);
		const draining = drain(tested);
		await expect(RawClient.connect(tested.port)).rejects.toThrow(/ECONNREFUSED/);
		const daemon = await startStandIn();
		tested.source.set([daemon.port]);
		await daemonAnswer(client);
		expect(draining.isDone).toBe(false);
		client.socket.destroy();
		await draining.done;
		await tested.until(() => tested.events.at(-1)?.type === "proxy.stopped");
		await daemon.stop();
		await leftNothing();
		expect(tested.clock.pending).toBe(0);
	});

	test("serves who was let in just before and has not asked yet", async () => {
		const tested = await startTestProxy();
		const late = await RawClient.connect(tested.port);
		await tested.until(() => isOpened(tested, 1));
		const draining = drain(tested);
		late.send(Buffer.concat([clientOpening, settingsAck, firstRequest]));
		await tested.until(() => waiting(tested) === 1);
		const daemon = await startStandIn();
		tested.source.set([daemon.port]);
		await daemonAnswer(late);
		late.socket.destroy();
		await draining.done;
	});

	test("does not wait for one that never asks", async () => {
		const tested = await startTestProxy();
		const silent = await RawClient.connect(tested.port);
		await tested.until(() => isOpened(tested, 1));
		const draining = drain(tested);
		tested.clock.advance(10_000);
		await draining.done;
		await silent.closed;
	});

	test("out of time, tells those that wait, and ends the builds that still run", async () => {
		const tested = await startTestProxy({ capacity: 1, maxWaitMs: 7_200_000 });
		const daemon = await startStandIn();
		tested.source.set([daemon.port]);
		const building = await RawClient.opened(tested.port);
		await daemonAnswer(building);
		const answered = request(tested.port).answer();
		await tested.until(() => waiting(tested) === 1);
		const draining = drain(tested);
		// The build goes on, and so nobody has room.
		for (let sample = 0; sample < 720; sample++) {
			const { bytesFromClient, bytesFromDaemon } = tested.proxy.state().pools[0]!.connections[0]!;
			building.send(settingsAck);
			daemon.connections[0]!.socket.write(settingsAck);
			await tested.until(() => {
				const now = tested.proxy.state().pools[0]!.connections[0]!;
				return now.bytesFromClient > bytesFromClient && now.bytesFromDaemon > bytesFromDaemon;
			});
			tested.clock.advance(5_000);
		}
		expect(await answered).toMatchObject({
			"grpc-status": "8",
			"grpc-message": "buildkit-scaler: this proxy is shutting down; try again",
		});
		expect(draining.isDone).toBe(false);
		tested.clock.advance(5_000);
		await draining.done;
		await building.closed;
		expect(await tested.closedCount("proxyStopping")).toBe(2);
	});

	test("is over at once when the proxy is closed, also within the grace", async () => {
		const tested = await startTestProxy({ drainGraceMs: 5_000 });
		const client = await RawClient.opened(tested.port);
		const draining = drain(tested);
		await tested.proxy.close();
		await draining.done;
		await client.closed;
		expect(tested.clock.pending).toBe(0);
	});
});
