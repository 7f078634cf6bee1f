import { once } from "node:events";
import net from "node:net";
import { connect } from "nats";
import { afterEach, expect, test } from "vitest";
import { type Clock, systemClock } from "../../common/clock.ts";
import type { ScalerError } from "../../common/error.ts";
import type { BusStatus } from "../../events/bus.ts";
import type { DrainRequest } from "../../events/drain-request.ts";
import { NatsBus } from "../../events/nats-bus.ts";
import type { PoolEvent } from "../../events/schema.ts";
import type { PublishOutcome } from "../../events/subject-bus.ts";
import { ManualClock } from "../helpers/manual-clock.ts";
import { type NatsServer, startNatsServer } from "../helpers/nats-server.ts";

const cleanup: (() => Promise<void>)[] = [];
afterEach(async () => {
	for (const clean of cleanup.splice(0).reverse()) await clean();
});

async function server(port?: number, ...flags: string[]): Promise<NatsServer> {
	const started = await startNatsServer(port, ...flags);
	cleanup.push(() => started.kill());
	return started;
}

function bus(url: string, options: { pingIntervalMs?: number; clock?: Clock } = {}) {
	const invalid: ScalerError[] = [];
	const outcomes: PublishOutcome[] = [];
	const made = new NatsBus({
		url,
		name: "test",
		clock: systemClock,
		onInvalid: (error) => invalid.push(error),
		onPublished: (_event, outcome) => outcomes.push(outcome),
		...options,
	});
	cleanup.push(() => made.close());
	return Object.assign(made, { invalid, outcomes });
}

function until(watched: NatsBus, t: BusStatus["t"]): Promise<void> {
	if (watched.status.t === t) return Promise.resolve();
	return new Promise((resolve) => {
		const stop = watched.onStatus((status) => {
			if (status.t !== t) return;
			stop();
			resolve();
		});
	});
}

function next<T>(subscribe: (listener: (value: T) => void) => () => void): Promise<T> {
	return new Promise((resolve) => {
		const stop = subscribe((value) => {
			stop();
			resolve(value);
		});
	});
}

function stateEvent(sequence = 0): PoolEvent {
	const snapshot = {
		proxy: "proxy-0",
		incarnation: 1,
		sequence,
		capacity: 4,
		waiting: 1,
		oldestWaitMs: 0,
		daemons: [],
	};
	return { type: "proxy.state", namespace: "default", pool: "default", snapshot };
}

/** About 300 bytes for each daemon. */
function largeEvent(count: number): PoolEvent {
	const event = stateEvent();
	const daemons = Array.from({ length: count }, (_, ordinal) => ({
		name: `daemon-${ordinal}-${"x".repeat(200)}`,
		ordinal,
		active: 0,
		idle: 0,
		draining: false,
	}));
	return { ...event, snapshot: { ...event.snapshot, daemons } };
}

test("an urgent event goes at once, and takes along what waited for company", async () => {
	const { url } = await server();
	const clock = new ManualClock();
	const sender = bus(url, { clock });
	const receiver = bus(url);
	const heard: number[] = [];
	const both = new Promise<void>((resolve) => {
		receiver.subscribe(({ snapshot }) => heard.push(snapshot.sequence) === 2 && resolve());
	});
	await Promise.all([until(sender, "connected"), until(receiver, "connected")]);
	await flushed(receiver, url);
	sender.publish(stateEvent(1));
	expect(sender.outcomes).toEqual([]);
	sender.publish(stateEvent(2), "now");
	await both;
	expect(heard).toEqual([1, 2]);
	// It is gone, and so is what would have sent it.
	clock.advance(10);
	expect(sender.outcomes).toEqual(["sent", "sent"]);
});

test("events and the question for states reach the other side", async () => {
	const { url } = await server();
	const [proxy, scaler] = [bus(url), bus(url)];
	expect(proxy.status).toEqual({ t: "disconnected", reason: "connecting" });
	const asked = next<void>((listener) => proxy.onAskForStates(listener));
	await Promise.all([until(proxy, "connected"), until(scaler, "connected")]);
	// Subscribed while connected, the question above while not: both must work.
	const received = next<PoolEvent>((listener) => scaler.subscribe(listener));
	await flushed(scaler, url);
	proxy.publish(stateEvent());
	expect(await received).toEqual(stateEvent());
	scaler.askForStates();
	await asked;
});

test("who publishes hears it too, once, and its own question", async () => {
	const { url } = await server();
	const local = bus(url);
	const heard: PoolEvent[] = [];
	local.subscribe((event) => heard.push(event));
	local.subscribe((event) => heard.push(event), { namespace: "default", pool: "default" });
	local.subscribe((event) => heard.push(event), { namespace: "default", pool: "other" });
	await until(local, "connected");
	const both = new Promise<void>((resolve) => {
		local.subscribe(() => heard.length === 2 && resolve(), { namespace: "default", pool: "default" });
	});
	local.publish(stateEvent());
	await both;
	const asked = next<void>((listener) => local.onAskForStates(listener));
	local.askForStates();
	await asked;
	await flushed(local, url);
	expect(heard).toEqual([stateEvent(), stateEvent()]);
});

test("who listens to one pool hears nothing of another", async () => {
	const { url } = await server();
	const [proxy, peer] = [bus(url), bus(url)];
	const heard: PoolEvent[] = [];
	const all = new Promise<void>((resolve) => {
		peer.subscribe(({ pool }) => pool === "last" && resolve());
	});
	peer.subscribe((event) => heard.push(event), { namespace: "builds", pool: "default" });
	await Promise.all([until(proxy, "connected"), until(peer, "connected")]);
	await flushed(peer, url);
	const own = { ...stateEvent(), namespace: "builds", pool: "default" };
	proxy.publish({ ...own, namespace: "other" });
	proxy.publish(own);
	proxy.publish({ ...own, pool: "last" });
	await all;
	expect(heard).toEqual([own]);
});

test("a request to drain reaches the proxies of its pool, is no event, and a malformed one is dropped", async () => {
	const { url } = await server();
	const [scaler, proxy] = [bus(url), bus(url)];
	const pool = { namespace: "builds", pool: "ci" };
	const events: PoolEvent[] = [];
	proxy.subscribe((event) => events.push(event));
	proxy.onAskToDrain(() => expect.unreachable(), { ...pool, pool: "other" });
	const heard: DrainRequest[] = [];
	const second = new Promise<void>((resolve) => {
		proxy.onAskToDrain((request) => heard.push(request) === 2 && resolve(), pool);
	});
	scaler.askToDrain({ ...pool, daemon: "lost, as the bus is away" });
	await Promise.all([until(scaler, "connected"), until(proxy, "connected")]);
	await flushed(proxy, url);
	scaler.askToDrain({ ...pool, daemon: "d-3" });
	const stranger = await connect({ servers: url });
	for (const bad of [
		"garbage",
		"{}",
		JSON.stringify({ ...pool, pool: "other", daemon: "d-3" }),
		"x".repeat(5_000),
	])
		stranger.publish("buildkit-drain.v1.builds.ci", bad);
	await stranger.drain();
	scaler.askToDrain({ ...pool, daemon: "d-4" });
	await second;
	// Whoever asks hears it too, if it has proxies of its own.
	const own = next<DrainRequest>((listener) => scaler.onAskToDrain(listener, pool));
	scaler.askToDrain({ ...pool, daemon: "d-5" });
	expect(await own).toEqual({ ...pool, daemon: "d-5" });
	expect(heard.slice(0, 2)).toEqual([
		{ ...pool, daemon: "d-3" },
		{ ...pool, daemon: "d-4" },
	]);
	expect(proxy.invalid.map(({ code }) => code)).toEqual(Array(4).fill("EVENT_INVALID"));
	expect(events).toEqual([]);
});

test("a server killed and started again: disconnected with a reason, then connected, in under a second", async () => {
	const first = await server();
	const [proxy, scaler] = [bus(first.url), bus(first.url)];
	const received = next<PoolEvent>((listener) => scaler.subscribe(listener));
	await Promise.all([until(proxy, "connected"), until(scaler, "connected")]);
	await first.kill();
	await Promise.all([until(proxy, "disconnected"), until(scaler, "disconnected")]);
	expect(proxy.status).toEqual({
		t: "disconnected",
		reason: `NATS at 127.0.0.1:${first.port}: connection closed`,
	});
	// Published into the outage: not sent afterwards, when it would be an old word.
	proxy.publish(stateEvent(1));
	await server(first.port);
	const backAt = performance.now();
	await Promise.all([until(proxy, "connected"), until(scaler, "connected")]);
	expect(performance.now() - backAt).toBeLessThan(1_000);
	await flushed(scaler, first.url);
	proxy.publish(stateEvent(2));
	expect(await received).toEqual(stateEvent(2));
});

test("a frozen server is noticed, and the bus is back when it thaws", async () => {
	const frozen = await server();
	const watched = bus(frozen.url, { pingIntervalMs: 50 });
	await until(watched, "connected");
	frozen.freeze();
	// More than the socket takes, so that nothing can be flushed to the server either.
	for (let sequence = 0; sequence < 64; sequence++) watched.publish(largeEvent(3_000));
	await until(watched, "disconnected");
	expect(watched.status).toMatchObject({ reason: expect.stringContaining("no answer to pings") });
	frozen.thaw();
	await until(watched, "connected");
});

test("bad messages are dropped with a reason and the good one after them arrives", async () => {
	const { url } = await server();
	const scaler = bus(url);
	const received = next<PoolEvent>((listener) => scaler.subscribe(listener));
	await until(scaler, "connected");
	await flushed(scaler, url);
	const stranger = await connect({ servers: url });
	const subject = "buildkit.v1.default.default.proxy.state";
	stranger.publish(subject, "garbage");
	stranger.publish(subject, new Uint8Array([0xff, 0xfe]));
	stranger.publish(subject, JSON.stringify({ type: "proxy.state", data: { namespace: "default" } }));
	stranger.publish("buildkit.v1.other.default.proxy.state", "{}");
	await stranger.drain();
	const proxy = bus(url);
	await until(proxy, "connected");
	proxy.publish(stateEvent());
	expect(await received).toEqual(stateEvent());
	expect(scaler.invalid.map(({ code }) => code)).toEqual(Array(4).fill("EVENT_INVALID"));
});

test("a listener that throws is reported and does not stop the reader", async () => {
	const { url } = await server();
	const scaler = bus(url);
	const sequences: number[] = [];
	scaler.subscribe(() => {
		throw new Error("listener broke");
	});
	await until(scaler, "connected");
	for (let sequence = 0; sequence < 3; sequence++) scaler.publish(stateEvent(sequence), "now");
	await flushed(scaler, url);
	expect(scaler.invalid.map(({ message }) => message)).toEqual(Array(3).fill("listener broke"));
	expect(sequences).toEqual([]);
});

test("an event larger than the server takes is reported, not thrown; so is one while it is away", async () => {
	const { url } = await server();
	const proxy = bus(url);
	proxy.publish(stateEvent(0));
	await until(proxy, "connected");
	proxy.publish(stateEvent(1));
	proxy.publish(largeEvent(10_000));
	await proxy.close();
	expect(proxy.outcomes).toEqual(["disconnected", "sent", "refused"]);
	expect(proxy.invalid).toMatchObject([{ code: "INTERNAL", message: "MAX_PAYLOAD_EXCEEDED" }]);
});

test("credentials in the URL are used, and appear in no reason", async () => {
	const { port } = await server(0, "--user", "me", "--pass", "p@ss:word");
	const good = bus(`nats://me:p%40ss%3Aword@127.0.0.1:${port}`);
	await until(good, "connected");
	const bad = bus(`nats://me:secret-xyz@127.0.0.1:${port}`);
	await refused(bad);
	expect(bad.status).toMatchObject({ reason: expect.stringMatching(/authorization violation/i) });
	expect(JSON.stringify(bad.status)).not.toContain("secret-xyz");
});

test("closing does not wait for a server that never answers", async () => {
	const silent = net.createServer().listen(0, "127.0.0.1");
	await once(silent, "listening");
	cleanup.push(async () => void silent.close());
	const { port } = silent.address() as net.AddressInfo;
	const sockets: net.Socket[] = [];
	silent.on("connection", (socket) => sockets.push(socket));
	const waiting = bus(`nats://127.0.0.1:${port}`);
	const startedAt = performance.now();
	await waiting.close();
	expect(performance.now() - startedAt).toBeLessThan(500);
	expect(waiting.status).toEqual({ t: "disconnected", reason: "closed" });
	for (const socket of sockets) socket.destroy();
});

test("closing sends what was published", async () => {
	const { url } = await server();
	const [proxy, scaler] = [bus(url), bus(url)];
	const received = next<PoolEvent>((listener) => scaler.subscribe(listener));
	await Promise.all([until(proxy, "connected"), until(scaler, "connected")]);
	await flushed(scaler, url);
	proxy.publish(stateEvent());
	await proxy.close();
	expect(proxy.status).toEqual({ t: "disconnected", reason: "closed" });
	expect(await received).toEqual(stateEvent());
});

/** Resolves when the server has everything this bus said: its question is heard elsewhere. */
async function flushed(asker: NatsBus, url: string): Promise<void> {
	const other = await connect({ servers: url });
	const heard = other.subscribe("buildkit.v1.states.ask", { max: 1 });
	await other.flush();
	asker.askForStates();
	for await (const _ of heard) break;
	await other.close();
}

/** Resolves when a connect was refused at least once. */
async function refused(asker: NatsBus): Promise<void> {
	while (asker.status.t === "connected" || asker.status.reason === "connecting")
		await new Promise((resolve) => setImmediate(resolve));
}
