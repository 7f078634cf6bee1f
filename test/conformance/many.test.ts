// Points 15, 16 and 25 of the list: what a large cluster does on its one connection.
import { once } from "node:events";
import http2 from "node:http2";
import { expect, onTestFinished, test } from "vitest";
import { scaledObject } from "../helpers/scaler.ts";
import type { Connection } from "./client.ts";
import { endClientsAfterAll, median, percentile, scalerFor, syncedScaler, withBothClients } from "./setup.ts";

endClientsAfterAll();

const poolName = (index: number) => `pool-${index}`;
const poolRef = (index: number) => scaledObject({ pool: poolName(index), buildsPerDaemon: "4" });

/** A KEDA with a thousand ScaledObjects: each has a stream of either kind. */
function thousandScaledObjects(keda: Connection) {
	const pools = Array.from({ length: 1_000 }, (_, index) => index);
	return {
		active: pools.map((index) => keda.streams("StreamIsActive", poolRef(index), 1).all[0]!),
		specs: pools.map((index) => keda.streams("StreamMetricSpec", poolRef(index), 1).all[0]!),
		calls: pools.flatMap((index) => [
			{ method: "GetMetricSpec", request: poolRef(index) } as const,
			{ method: "GetMetrics", request: { scaledObjectRef: poolRef(index), metricName: "builds" } } as const,
			{ method: "IsActive", request: poolRef(index) } as const,
		]),
	};
}

withBothClients("15 2,000 streams and 300 calls a second on one connection", async (kind) => {
	const { keda, say, opened } = await scalerFor(kind);
	for (let pool = 0; pool < 1_000; pool++) say({ pool: poolName(pool) });
	const { active, specs, calls } = thousandScaledObjects(keda);
	await opened(1_000);
	await Promise.all(specs.map((stream) => stream.received(1)));
	const load = keda.load(calls, { perSecond: 300, seconds: 3 });
	for (let pool = 0; pool < 1_000; pool++) say({ pool: poolName(pool), waiting: 1 });
	await Promise.all(active.map((stream) => stream.received(1)));
	const { codes, ms } = await load;
	// How long they may take is bench/'s to say: here other tests are at work, and grpc-js is in this process.
	console.info(`${kind.name}: 900 calls, p50 ${median(ms)} ms, p99 ${percentile(ms, 0.99)} ms`);
	expect(codes).toEqual({ OK: 900 });
	expect([...active, ...specs].every(({ messages }) => messages.length === 1)).toBe(true);
});

test("15 SETTINGS do not limit the streams", async () => {
	const { address } = await syncedScaler();
	const session = http2.connect(`http://${address}`);
	onTestFinished(() => session.destroy());
	await once(session, "remoteSettings");
	expect(session.remoteSettings.maxConcurrentStreams ?? 2 ** 32 - 1).toBeGreaterThanOrEqual(2 ** 31);
});

withBothClients("31 1,000 streams and 3,000 calls at once, as after a restart", async (kind) => {
	const { keda, say, opened } = await scalerFor(kind);
	for (let pool = 0; pool < 1_000; pool++) say({ pool: poolName(pool), busy: [1] });
	const startedAt = performance.now();
	const { active, specs, calls } = thousandScaledObjects(keda);
	const { codes } = await keda.load(calls);
	await Promise.all([...active, ...specs].map((stream) => stream.received(1)));
	const tookMs = performance.now() - startedAt;
	console.info(`${kind.name}: all there and answered after ${tookMs.toFixed(0)} ms`);
	expect(codes).toEqual({ OK: 3_000 });
	await opened(1_000);
	expect(active.every(({ messages }) => messages.length === 1)).toBe(true);
});

for (const count of [1_500, 5_000]) {
	withBothClients(`25 ${count} streams cancelled at once end no other on their connection`, async (kind) => {
		const { keda, say, opened } = await scalerFor(kind);
		const other = keda.streams("StreamIsActive", scaledObject({ pool: "other" }), 1);
		const streams = keda.streams("StreamIsActive", scaledObject(), count);
		await opened(count + 1);
		streams.cancel();
		await opened(1);
		say({ pool: "other", waiting: 1 });
		await other.received(1);
	});
}
