// Points 13, 14, 26, 27 and 29 of the list: calls that are given up, and connections that last or fall silent.
import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { poolEvent } from "../helpers/pool-event.ts";
import { startRelay } from "../helpers/relay.ts";
import { scaledObject } from "../helpers/scaler.ts";
import type { Connection } from "./client.ts";
import { connect, endClientsAfterAll, scalerFor, syncedScaler, withBothClients } from "./setup.ts";

endClientsAfterAll();

withBothClients("14 a call that its client gives up harms nothing, whenever that is", async (kind) => {
	const { keda, scaler, say, registry } = await scalerFor(kind);
	say({ waiting: 1 });
	const relay = await startRelay(scaler.port);
	const slow = connect(kind, relay.address);
	const call = { scaledObjectRef: scaledObject(), metricName: "builds" };
	expect((await slow.call("GetMetrics", call)).outcome).toBe("OK");
	// Nothing passes, so that these end before the scaler hears of them.
	relay.pause();
	const given = [
		...Array.from({ length: 100 }, () => slow.call("GetMetrics", call, { deadlineMs: 20 })),
		...Array.from({ length: 100 }, () => slow.call("GetMetrics", call, { cancelMs: 20 })),
	];
	const outcomes = (await Promise.all(given)).map(({ outcome }) => outcome.split(":")[0]);
	expect(outcomes).toEqual([...Array(100).fill("DEADLINE_EXCEEDED"), ...Array(100).fill("CANCELLED")]);
	relay.resume();
	expect((await slow.call("GetMetrics", call)).outcome).toBe("OK");
	// And these at any moment of their way.
	const racing = Array.from({ length: 300 }, (_, index) =>
		keda.call("GetMetrics", call, index % 2 ? { deadlineMs: 1 + (index % 7) } : { cancelMs: index / 60 }),
	);
	for (const { outcome } of await Promise.all(racing))
		expect(outcome).toMatch(/^(OK|CANCELLED|DEADLINE_EXCEEDED)/);
	expect((await keda.call("GetMetrics", call)).outcome).toBe("OK");
	expect(await registry.getSingleMetricAsString("buildkit_scaler_rpcs_total")).not.toContain("INTERNAL");
});

withBothClients(
	"13, 14 a daemon that is silent costs a second, and the calls may be given up meanwhile",
	async (kind) => {
		const silent = net.createServer((socket) => socket.resume().on("error", () => {}));
		silent.listen(0, "127.0.0.1");
		await once(silent, "listening");
		onTestFinished(() => void silent.close());
		const { address, bus } = await syncedScaler();
		// No build that a proxy knows of: it is asked whether there is one that came around them.
		const event = poolEvent({ busy: [0] });
		const { port } = silent.address() as net.AddressInfo;
		const daemons = event.snapshot.daemons.map((daemon) => ({ ...daemon, address: `127.0.0.1:${port}` }));
		bus.publish({ ...event, snapshot: { ...event.snapshot, daemons } });
		const keda = connect(kind, address);
		const given = [
			...Array.from({ length: 50 }, () => keda.call("IsActive", scaledObject(), { deadlineMs: 100 })),
			...Array.from({ length: 50 }, () => keda.call("IsActive", scaledObject(), { cancelMs: 100 })),
		];
		const begunAt = performance.now();
		const { outcome } = await keda.call("IsActive", scaledObject());
		const tookMs = performance.now() - begunAt;
		expect(outcome).toMatch(/^UNAVAILABLE: .* cannot be asked: no answer within/);
		// A second, and what a busy machine adds.
		expect(tookMs).toBeLessThan(3_000);
		for (const { outcome } of await Promise.all(given))
			expect(outcome).toMatch(/^(CANCELLED|DEADLINE_EXCEEDED)/);
		expect((await keda.call("GetMetricSpec", scaledObject())).outcome).toBe("OK");
	},
);

/** Time is moved by hand for everything in this process, grpc-js's server among it. */
function stopTime(): void {
	vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
	onTestFinished(() => void vi.useRealTimers());
}

/** Moves time on; the peers' pings and answers pass in between. */
async function pass(ms: number, stepMs: number, keda: Connection): Promise<void> {
	for (let passed = 0; passed < ms; passed += stepMs) {
		vi.advanceTimersByTime(stepMs);
		// The second call is sent after whatever the scaler sent before its first answer.
		for (let call = 0; call < 2; call++) await keda.call("IsActive", scaledObject());
	}
}

withBothClients("26 a client that falls silent is let go after 40 s", async (kind) => {
	stopTime();
	const { keda, scaler, opened } = await scalerFor(kind);
	const relay = await startRelay(scaler.port);
	const frozen = connect(kind, relay.address).streams("StreamIsActive", scaledObject(), 10);
	const healthy = keda.streams("StreamIsActive", scaledObject(), 1);
	await opened(11);
	relay.pause();
	await pass(30_000, 15_000, keda);
	await opened(11);
	await pass(15_000, 15_000, keda);
	await opened(1);
	frozen.cancel();
	healthy.cancel();
	await opened(0);
});

withBothClients("26, 29 healthy streams live on for three hours, and no age ends them", async (kind) => {
	stopTime();
	const { keda, clock, say, opened } = await scalerFor(kind);
	const streams = keda.streams("StreamIsActive", scaledObject(), 5);
	const specs = keda.streams("StreamMetricSpec", scaledObject(), 5);
	await opened(5);
	await pass(3 * 3_600_000, 30_000, keda);
	clock.advance(3 * 3_600_000);
	await opened(5);
	say({ busy: [1] });
	await Promise.all([streams.received(1), specs.received(1)]);
});

test("27 pings are answered however often they come", async () => {
	const { address } = await syncedScaler();
	const session = http2.connect(`http://${address}`);
	onTestFinished(() => session.destroy());
	await once(session, "connect");
	const ping = () => new Promise<void>((resolve, reject) => session.ping((e) => (e ? reject(e) : resolve())));
	for (let count = 0; count < 500; count++) await ping();
	await turn();
	expect(session.closed).toBe(false);
});
