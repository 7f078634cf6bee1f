import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { Client, credentials } from "@grpc/grpc-js";
import { Registry } from "prom-client";
import { afterEach, describe, expect, test } from "vitest";
import { createLogger } from "../../common/log.ts";
import { externalScalerService } from "../../protos/external-scaler.ts";
import { syncMs } from "../../scaler/demand.ts";
import { type ScalerOptions, startScaler } from "../../scaler/scaler.ts";
import { ManualBus } from "../helpers/manual-bus.ts";
import { ManualClock } from "../helpers/manual-clock.ts";
import { type EventParts, poolEvent } from "../helpers/pool-event.ts";
import { healthOf, outcome, scaledObject, startTestScaler, WatchedStream } from "../helpers/scaler.ts";

const cleanup: (() => Promise<void> | void)[] = [];
afterEach(async () => {
	for (const clean of cleanup.splice(0).reverse()) await clean();
});

/** A synced scaler, with a proxy that says what `say` is told. */
async function setup(options: Partial<ScalerOptions> = {}) {
	const clock = new ManualClock();
	const bus = new ManualBus();
	const started = await startTestScaler({ bus, clock }, options);
	cleanup.push(() => started.stop());
	clock.advance(syncMs);
	let sequence = 0;
	const say = (parts: EventParts = {}) => bus.publish(poolEvent({ sequence: sequence++, ...parts }));
	const open = (ref = scaledObject()) => {
		const stream = new WatchedStream(started.keda, ref);
		cleanup.push(() => stream.cancel());
		return stream;
	};
	return { ...started, clock, bus, say, open };
}

/** Resolves when the scaler has read everything this connection sent before: calls on it are answered in order. */
async function settled(keda: {
	isActive(ref: ReturnType<typeof scaledObject>): Promise<unknown>;
}): Promise<void> {
	await outcome(keda.isActive(scaledObject()));
}

/** A StreamIsActive call whose client has a window of zero: it takes the headers and no message at all. */
async function openUnread(address: string) {
	const session = http2.connect(`http://${address}`, { settings: { initialWindowSize: 0 } });
	cleanup.push(() => session.destroy());
	const stream = session.request({
		":method": "POST",
		":path": externalScalerService.StreamIsActive.path,
		"content-type": "application/grpc",
		te: "trailers",
	});
	for (const ends of [session, stream]) ends.on("error", () => {});
	const message = externalScalerService.StreamIsActive.requestSerialize(scaledObject());
	const prefix = Buffer.alloc(5);
	prefix.writeUInt32BE(message.length, 1);
	stream.end(Buffer.concat([prefix, message]));
	await once(stream, "response");
	return { session, stream };
}

describe("unary calls", () => {
	test("the demand of a pool, as KEDA asks for it", async () => {
		const { keda, say } = await setup();
		say({ waiting: 1, busy: [2, 0, 1] });
		const ref = scaledObject();
		expect(await keda.getMetricSpec(ref)).toEqual({
			metricSpecs: [{ metricName: "builds", targetSize: 4, targetSizeFloat: 4 }],
		});
		expect(await keda.getMetrics(ref, "builds")).toEqual({
			metricValues: [{ metricName: "builds", metricValue: 12, metricValueFloat: 12 }],
		});
		expect(await keda.isActive(ref)).toEqual({ result: true });
		say();
		expect(await keda.getMetrics(ref, "builds")).toEqual({
			metricValues: [{ metricName: "builds", metricValue: 0, metricValueFloat: 0 }],
		});
		expect(await keda.isActive(ref)).toEqual({ result: false });
	});

	test("what is wrong is said with the right code", async () => {
		const { keda, say, bus } = await setup();
		say();
		const { isActive, getMetricSpec, getMetrics } = keda;
		const missing = scaledObject({});
		const message = "INVALID_ARGUMENT: pool is missing: name the pool this ScaledObject scales";
		expect(await outcome(isActive(missing))).toBe(message);
		expect(await outcome(getMetricSpec(missing))).toBe(message);
		expect(await outcome(getMetrics(missing, "builds"))).toBe(message);
		const other = scaledObject({ pool: "other" });
		expect(await outcome(isActive(other))).toBe("NOT_FOUND: no proxy speaks for pool default/other");
		expect(await outcome(getMetricSpec(other))).toMatch(/^NOT_FOUND/);
		expect(await outcome(isActive(scaledObject({ pool: "default" }, "foreign")))).toMatch(/^NOT_FOUND/);
		expect(await outcome(getMetrics(scaledObject(), "s0-builds"))).toBe(
			'NOT_FOUND: there is no metric "s0-builds", only "builds"',
		);
		expect(await outcome(getMetrics(scaledObject(), ""))).toMatch(/^INVALID_ARGUMENT/);
		bus.become({ t: "disconnected", reason: "gone" });
		const unknown =
			"UNAVAILABLE: the demand of pool default/default is unknown: the bus is disconnected: gone";
		expect(await outcome(isActive(scaledObject()))).toBe(unknown);
		expect(await outcome(getMetrics(scaledObject(), "builds"))).toBe(unknown);
		expect(await outcome(getMetricSpec(scaledObject()))).toBe("OK");
	});

	test("StreamMetricSpec is not implemented", async () => {
		const { address } = await setup();
		const client = new Client(address, credentials.createInsecure());
		cleanup.push(() => client.close());
		const { requestSerialize, responseDeserialize } = externalScalerService.StreamIsActive;
		const path = "/externalscaler.ExternalScaler/StreamMetricSpec";
		const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, scaledObject());
		const [error] = await once(call, "error");
		expect(error).toMatchObject({ code: 12 });
	});

	test("names of any length and 100 keys do no harm, and more is refused", async () => {
		const { keda, say } = await setup();
		say();
		const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`key-${i}`, "ü".repeat(250)]));
		expect(
			await outcome(keda.isActive({ ...scaledObject({ pool: "default", ...many }), name: "x".repeat(253) })),
		).toBe("OK");
		expect(await outcome(keda.isActive(scaledObject({ pool: "x".repeat(300_000) })))).toMatch(
			/^RESOURCE_EXHAUSTED/,
		);
		expect(await outcome(keda.isActive(scaledObject({ pool: "x".repeat(100_000) })))).toMatch(
			/^INVALID_ARGUMENT: pool is "x{80}…"/,
		);
	});

	test("garbage in a message is an error of that call alone", async () => {
		const { address, keda, say } = await setup();
		say();
		const client = new Client(address, credentials.createInsecure());
		cleanup.push(() => client.close());
		const garbage = outcome(
			new Promise((resolve, reject) => {
				client.makeUnaryRequest(
					externalScalerService.IsActive.path,
					(bytes: Buffer) => bytes,
					(bytes) => bytes,
					Buffer.from("ffffffffffff", "hex"),
					(error, answer) => (error ? reject(error) : resolve(answer)),
				);
			}),
		);
		expect(await garbage).toMatch(/^INTERNAL/);
		expect(await outcome(keda.isActive(scaledObject()))).toBe("OK");
	});
});

describe("pushes", () => {
	test("on open when active, on each edge, again while somebody waits, and never false", async () => {
		const { keda, clock, say, open } = await setup();
		const early = open();
		await settled(keda);
		say({ waiting: 1 });
		await early.received(1);
		const late = open();
		await late.received(1);
		clock.advance(1_000);
		await Promise.all([early.received(2), late.received(2)]);
		clock.advance(2_000);
		await Promise.all([early.received(3), late.received(3)]);
		say({ busy: [1] });
		clock.advance(600_000);
		say();
		say({ busy: [1] });
		await early.received(4);
		await settled(keda);
		expect([early.results, late.results]).toEqual([Array(4).fill(true), Array(4).fill(true)]);
	});

	test("a pool nobody spoke of yet: the stream stays open until it appears", async () => {
		const { keda, say, open } = await setup();
		const stream = open(scaledObject({ pool: "later" }));
		await settled(keda);
		say({ pool: "later", waiting: 1 });
		await stream.received(1);
		expect(stream.results).toEqual([true]);
	});

	test("what is certain is pushed while the rest is unknown", async () => {
		const clock = new ManualClock();
		const bus = new ManualBus();
		const started = await startTestScaler({ bus, clock });
		cleanup.push(() => started.stop());
		const stream = new WatchedStream(started.keda, scaledObject());
		cleanup.push(() => stream.cancel());
		expect(await outcome(started.keda.isActive(scaledObject()))).toMatch(/^UNAVAILABLE/);
		bus.publish(poolEvent({ waiting: 1 }));
		await stream.received(1);
		expect(await outcome(started.keda.isActive(scaledObject()))).toMatch(/^UNAVAILABLE/);
	});

	test("wrong metadata ends the stream with an error", async () => {
		const { open } = await setup();
		expect(await open(scaledObject({ pool: "No!" })).ended).toMatch(/^INVALID_ARGUMENT: pool is "No!"/);
	});

	test("more streams than allowed end with an error", async () => {
		const { keda, open } = await setup({ maxStreams: 2 });
		const first = open();
		open();
		await settled(keda);
		expect(await open().ended).toBe("RESOURCE_EXHAUSTED: more than 2 streams");
		first.cancel();
		await first.ended;
		await settled(keda);
		const instead = open();
		await settled(keda);
		expect(instead.results).toEqual([]);
	});

	test("1,000 streams on one connection, 500 of them of one pool", async () => {
		const { scaler, keda, say } = await setup();
		const pools = Array.from({ length: 1_000 }, (_, i) => `pool-${i < 500 ? 0 : i}`);
		const streams = pools.map((pool) => new WatchedStream(keda, scaledObject({ pool })));
		await settled(keda);
		expect(scaler.state().pools.reduce((sum, { streams: open }) => sum + open, 0)).toBe(1_000);
		const startedAt = performance.now();
		for (const pool of new Set(pools)) say({ pool, waiting: 1 });
		await Promise.all(streams.map((stream) => stream.received(1)));
		console.info(`1,000 pushes in ${(performance.now() - startedAt).toFixed(0)} ms`);
		await settled(keda);
		expect(streams.every(({ results }) => results.length === 1)).toBe(true);
		for (const stream of streams) stream.cancel();
		await Promise.all(streams.map(({ ended }) => ended));
		await settled(keda);
		expect(scaler.state().pools.every(({ streams: open }) => open === 0)).toBe(true);
	});

	test("1,500 streams cancelled at once do not end another one on their connection", async () => {
		const { keda, say, open } = await setup();
		const other = open(scaledObject({ pool: "other" }));
		const streams = Array.from({ length: 1_500 }, () => new WatchedStream(keda, scaledObject()));
		await settled(keda);
		for (const stream of streams) stream.cancel();
		await Promise.all(streams.map(({ ended }) => ended));
		await settled(keda);
		say({ pool: "other", waiting: 1 });
		await other.received(1);
	});

	test("a client that does not read gets one message, and nobody else notices", async () => {
		const { address, clock, say, open, registry } = await setup();
		say({ waiting: 1 });
		const { session, stream } = await openUnread(address);
		const quick = open();
		await quick.received(1);
		for (const [index, seconds] of [1, 2, 4, 8, 15, 15, 15].entries()) {
			clock.advance(seconds * 1_000);
			await quick.received(index + 2);
		}
		const pushes = await registry.getSingleMetricAsString("buildkit_scaler_pushes_total");
		expect(pushes).toContain('outcome="sent"} 9');
		expect(pushes).toContain('outcome="coalesced"} 7');
		// It reads at last, and finds the one.
		session.settings({ initialWindowSize: 65_535 });
		const [data] = await once(stream, "data");
		expect(data.toString("hex")).toBe("00000000020801");
	});
});

describe("health", () => {
	test("readiness follows the bus, liveness does not", async () => {
		const { address, bus, scaler } = await setup();
		const services = ["", "liveness", "readiness", "other"];
		expect(await healthOf(address, ...services)).toEqual(["SERVING", "SERVING", "SERVING", "NOT_FOUND"]);
		bus.become({ t: "disconnected", reason: "gone" });
		expect(await healthOf(address, ...services)).toEqual(["SERVING", "SERVING", "NOT_SERVING", "NOT_FOUND"]);
		expect(scaler.ready()).toEqual({ ok: false, reason: "gone" });
		bus.become({ t: "connected" });
		expect(await healthOf(address, "readiness")).toEqual(["SERVING"]);
		expect(scaler.ready()).toEqual({ ok: true });
	});

	test("pings of a client are answered however often they come", async () => {
		const { address } = await setup();
		const session = http2.connect(`http://${address}`);
		cleanup.push(() => session.destroy());
		await once(session, "connect");
		const ping = () =>
			new Promise<void>((resolve, reject) => session.ping((e) => (e ? reject(e) : resolve())));
		for (let count = 0; count < 200; count++) await ping();
		expect(session.closed).toBe(false);
	});
});

describe("start and stop", () => {
	test("an address in use is one clear error", async () => {
		const taken = net.createServer().listen(0, "127.0.0.1");
		await once(taken, "listening");
		cleanup.push(() => void taken.close());
		const { port } = taken.address() as net.AddressInfo;
		const deps = {
			bus: new ManualBus(),
			clock: new ManualClock(),
			log: createLogger("silent"),
			registry: new Registry(),
		};
		await expect(startScaler({ listen: { host: "127.0.0.1", port } }, deps)).rejects.toMatchObject({
			code: "LISTEN_FAILED",
			message: `cannot listen on 127.0.0.1:${port}: the address is in use`,
		});
		expect(deps.clock.pending).toBe(0);
	});

	test("stopping ends every stream with OK, then nothing is left", async () => {
		const { scaler, keda, clock, say, open, address, registry } = await setup();
		say({ waiting: 1 });
		const streams = [open(), open(scaledObject({ pool: "other" }))];
		await streams[0]!.received(1);
		await settled(keda);
		const stopped = scaler.stop();
		expect(scaler.ready()).toEqual({ ok: false, reason: "stopping" });
		expect(await Promise.all(streams.map(({ ended }) => ended))).toEqual(["OK", "OK"]);
		await stopped;
		await scaler.stop();
		expect(clock.pending).toBe(0);
		const rpcs = await registry.getSingleMetricAsString("buildkit_scaler_rpcs_total");
		expect(rpcs).toContain('method="StreamIsActive",code="OK"} 2');
		const [host, port] = address.split(":");
		const [error] = await once(net.connect(Number(port), host), "error");
		expect(error).toMatchObject({ code: "ECONNREFUSED" });
	});

	test("a stream that cannot end holds up the stop for the grace only", async () => {
		const { scaler, address, clock, say } = await setup({ stopGraceMs: 5_000 });
		say({ waiting: 1 });
		const { session } = await openUnread(address);
		const stopped = scaler.stop();
		await once(session, "goaway");
		clock.advance(5_000);
		await stopped;
	});
});
