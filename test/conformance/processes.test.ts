// Points 13, 28, 32, 33 and 38 of the list: whole processes, with a real nats-server.
import { once } from "node:events";
import net from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { scaledObject } from "../helpers/scaler.ts";
import { allMethods, answersUntil, knowsTheProxy, nats, scalerProcess } from "./processes.ts";
import {
	clientKinds,
	connect,
	endClientsAfterAll,
	median,
	percentile,
	scalerFor,
	withBothClients,
} from "./setup.ts";

endClientsAfterAll();

test("13 every call is answered within a second while NATS is frozen, and when it is gone", async () => {
	const { server, proxy } = await nats();
	proxy.say({ waiting: 1 });
	const { address } = await scalerProcess(server, ...knowsTheProxy);
	const connections = clientKinds.map((kind) => connect(kind, address));
	for (const keda of connections) await answersUntil(keda, 1);
	for (const happens of [() => server.freeze(), () => server.kill()]) {
		await happens();
		for (const keda of connections) {
			const { codes, ms } = await keda.load(allMethods, { perSecond: 100, seconds: 1.5 });
			expect(Object.keys(codes).filter((code) => code !== "OK" && code !== "UNAVAILABLE")).toEqual([]);
			expect(ms).toHaveLength(150);
			console.info(`p50 ${median(ms).toFixed(2)} ms, p99 ${percentile(ms, 0.99).toFixed(1)} ms`, codes);
			// A second, and what a busy machine adds: a call that waited for NATS would wait longer than this.
			expect(Math.max(...ms)).toBeLessThan(3_000);
		}
	}
	// And still the spec is known: KEDA's fallback counts on it.
	for (const keda of connections)
		expect((await keda.call("GetMetricSpec", scaledObject())).outcome).toBe("OK");
});

withBothClients("28 a stop ends each stream with OK, and calls are answered or refused", async (kind) => {
	const { server, proxy } = await nats();
	proxy.say({});
	const { started, address, openStreams } = await scalerProcess(server, ...knowsTheProxy);
	const keda = connect(kind, address);
	while ((await keda.health("readiness")) !== "SERVING") await delay(10);
	const active = keda.streams("StreamIsActive", scaledObject(), 50);
	const specs = keda.streams("StreamMetricSpec", scaledObject(), 50);
	await specs.received(1);
	while ((await openStreams()) !== 50) await delay(10);
	const load = keda.load(allMethods, { perSecond: 200, seconds: 1 });
	await delay(300);
	started.child.kill("SIGTERM");
	expect(new Set([...(await active.ended()), ...(await specs.ended())])).toEqual(new Set(["OK"]));
	expect(await started.exited).toBe(0);
	const { codes } = await load;
	expect(Object.keys(codes).filter((code) => code !== "OK" && code !== "UNAVAILABLE")).toEqual([]);
	expect(codes["OK"]).toBeGreaterThan(0);
});

withBothClients("28 readiness goes first, and nothing is left of a scaler that stopped", async (kind) => {
	const { scaler, address, keda, clock, say, registry, opened } = await scalerFor(kind);
	say({ waiting: 1 });
	const streams = keda.streams("StreamIsActive", scaledObject(), 2);
	await streams.received(1);
	await opened(2);
	const stopped = scaler.stop();
	expect(scaler.ready()).toEqual({ ok: false, reason: "stopping" });
	expect(await streams.ended()).toEqual(["OK", "OK"]);
	await keda.close();
	clock.advance(60_000);
	await stopped;
	await scaler.stop();
	const [host, port] = address.split(":");
	const [error] = await once(net.connect(Number(port), host), "error");
	expect(error).toMatchObject({ code: "ECONNREFUSED" });
	expect(clock.pending).toBe(0);
	expect(await registry.getSingleMetricAsString("buildkit_scaler_rpcs_total")).toContain(
		'method="StreamIsActive",code="OK"} 2',
	);
});

withBothClients("32, 33 each answers the same, and an edge is pushed by both", async (kind) => {
	const { server, proxy } = await nats();
	proxy.say({});
	const replicas = await Promise.all([1, 2].map(() => scalerProcess(server, ...knowsTheProxy)));
	const connections = replicas.map(({ address }) => connect(kind, address));
	for (const keda of connections) await answersUntil(keda, 0);
	const streams = connections.map((keda) => keda.streams("StreamIsActive", scaledObject(), 1));
	for (const { openStreams } of replicas) while ((await openStreams()) !== 1) await delay(10);
	for (const [index, load] of [{ busy: [1] }, { busy: [3, 0, 2] }, { waiting: 7, busy: [1] }].entries()) {
		proxy.say({});
		for (const keda of connections) await answersUntil(keda, 0);
		proxy.say(load);
		await Promise.all(streams.map((stream) => stream.received(index + 1)));
		const [one, other] = await Promise.all(
			connections.map((keda) =>
				Promise.all(allMethods.map(({ method, request }) => keda.call(method, request))),
			),
		);
		expect(one).toEqual(other);
		// As every version of us has to say it: another name would be another metric to the HPA.
		expect(one?.[0]?.message).toEqual({
			metricSpecs: [{ metricName: "builds", targetSize: 4, targetSizeFloat: 4 }],
		});
	}
});

test("38 calls, streams and pushes are counted, and a poll writes no line", async () => {
	const { server, proxy } = await nats();
	proxy.say({});
	const { started, address, get } = await scalerProcess(server, ...knowsTheProxy);
	const connections = clientKinds.map((kind) => connect(kind, address));
	for (const keda of connections) await answersUntil(keda, 0);
	const lines = started.lines.length;
	for (const keda of connections) await keda.load(Array.from({ length: 100 }, () => allMethods).flat());
	const streams = connections.map((keda) => keda.streams("StreamIsActive", scaledObject(), 3));
	const wrong = await connections[0]!.call("IsActive", scaledObject({}));
	expect(wrong.outcome).toMatch(/^INVALID_ARGUMENT/);
	proxy.say({ waiting: 1 });
	await Promise.all(streams.map((stream) => stream.received(1)));
	const exposed = await get("/metrics");
	for (const line of [
		/^buildkit_scaler_rpcs_total\{method="GetMetricSpec",code="OK"\} 200$/m,
		/^buildkit_scaler_rpcs_total\{method="IsActive",code="INVALID_ARGUMENT"\} 1$/m,
		/^buildkit_scaler_rpc_duration_seconds_count\{method="IsActive",code="OK"\} 200$/m,
		/^buildkit_scaler_pool_streams\{namespace="default",pool="default"\} 6$/m,
		/^buildkit_scaler_pushes_total\{outcome="sent"\} [1-9]/m,
	])
		expect(exposed).toMatch(line);
	expect(started.lines.slice(lines)).toEqual([]);
});
