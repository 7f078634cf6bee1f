import { Registry } from "prom-client";
import { expect, onTestFinished, test } from "vitest";
import { startAdmin } from "../../common/admin.ts";
import { systemClock } from "../../common/clock.ts";
import { createLogger } from "../../common/log.ts";
import { NatsBus } from "../../events/nats-bus.ts";
import { startProxy } from "../../proxy/proxy.ts";
import { freePort } from "../helpers/free-port.ts";
import { startNatsServer } from "../helpers/nats-server.ts";
import { RawClient } from "../helpers/raw-client.ts";
import { outcome, scaledObject, startTestScaler, WatchedStream } from "../helpers/scaler.ts";
import { testPool } from "../helpers/test-proxy.ts";

const log = createLogger("silent");

function natsBus(url: string): NatsBus {
	const bus = new NatsBus({ url, name: "test", clock: systemClock });
	onTestFinished(() => bus.close());
	return bus;
}

test("with nats-server away the scaler reads what its proxies would have told it", async () => {
	const server = await startNatsServer();
	onTestFinished(() => server.kill());
	const port = await freePort();
	const pool = testPool();
	const proxy = await startProxy(
		{ id: "p-1", admin: `127.0.0.1:${port}`, pools: [pool], drainGraceMs: 0, drainTimeoutMs: 1_000 },
		{
			openSource: async ({ source }) => ({ source, close: () => {} }),
			bus: natsBus(server.url),
			clock: systemClock,
			log,
			registry: new Registry(),
		},
	);
	onTestFinished(() => proxy.close());
	const sources = { ready: () => proxy.ready(), registry: new Registry(), state: () => proxy.state() };
	const admin = await startAdmin(
		{ host: "127.0.0.1", port },
		{ ...sources, snapshots: () => proxy.snapshots() },
	);
	onTestFinished(() => admin.close());
	const { keda, scaler, stop } = await startTestScaler(
		{ bus: natsBus(server.url), clock: systemClock },
		{ expectedProxies: ["p-1"] },
	);
	onTestFinished(stop);
	const metric = async () =>
		(await keda.getMetrics(scaledObject(), "builds")).metricValues[0]?.metricValueFloat;
	const until = async (holds: () => Promise<boolean>) => {
		while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
	};
	await until(async () => (await outcome(metric())) === "OK");
	expect(await metric()).toBe(0);
	const stream = new WatchedStream(keda, scaledObject());

	await server.kill();
	await until(async () => scaler.state().bus.t === "disconnected");
	const client = await RawClient.opened(proxy.addressOf(pool).port);
	// Nobody could tell it on the bus, and yet it is pushed.
	await stream.received(1);
	await until(async () => (await outcome(metric())) === "OK");
	expect(await metric()).toBe(1);
	client.socket.destroy();
	await until(async () => (await outcome(metric())) === "OK" && (await metric()) === 0);
});
