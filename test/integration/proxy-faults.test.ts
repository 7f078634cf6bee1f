import type net from "node:net";
import tls from "node:tls";
import { describe, expect, test } from "vitest";
import type { CloseReason } from "../../events/schema.ts";
import type { ConnectionStateName } from "../../proxy/connection/connection-state.ts";
import { frameType, settingsAck } from "../../proxy/hold/http2.ts";
import { TestCa } from "../helpers/certificates.ts";
import { watchForLeaks } from "../helpers/leaks.ts";
import { clientOpening, RawClient } from "../helpers/raw-client.ts";
import { daemonSettings, startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy, type TestProxy } from "../helpers/test-proxy.ts";

/** Takes connections and says nothing, until the proxy ends them. */
const silent = (socket: net.Socket) => void socket.on("end", () => socket.end());
const lastState = ({ moves }: TestProxy) => moves.at(-1)?.state;

/** How far a client gets before something happens to it, and what its end is then called. */
interface Phase {
	readonly name: string;
	readonly state: ConnectionStateName;
	readonly daemon?: (socket: net.Socket) => void;
	readonly come: (tested: TestProxy) => Promise<RawClient>;
	/** When the client breaks off, and when it ends in peace. */
	readonly reason: CloseReason;
}

const opened = ({ port }: TestProxy) => RawClient.opened(port);

async function sends({ port, until, proxy }: TestProxy, bytes: Buffer): Promise<RawClient> {
	const client = await RawClient.connect(port);
	client.send(bytes);
	await until(() => proxy.state().pools[0]?.connections[0]?.bytesFromClient === bytes.length);
	return client;
}

const phases: readonly Phase[] = [
	{
		name: "before its preface is whole",
		state: "opening",
		come: (tested) => sends(tested, clientOpening.subarray(0, 20)),
		reason: "noPreface",
	},
	{
		name: "before its first request",
		state: "opening",
		come: (tested) => sends(tested, Buffer.concat([clientOpening, settingsAck])),
		reason: "noRequest",
	},
	{ name: "waiting", state: "waiting", come: opened, reason: "clientGone" },
	{
		name: "dialing",
		state: "dialing",
		daemon: silent,
		come: opened,
		reason: "clientGone",
	},
	{
		name: "live",
		state: "live",
		daemon: (socket) => {
			socket.write(daemonSettings);
			socket.on("end", () => socket.end());
		},
		come: opened,
		reason: "clientClosed",
	},
	{
		name: "failing",
		state: "failing",
		come: async (tested) => {
			const client = await opened(tested);
			await tested.until(() => lastState(tested) === "waiting");
			tested.clock.advance(900_000);
			await client.frame(({ type, streamId }) => type === frameType.headers && streamId === 1);
			return client;
		},
		reason: "waitTimeout",
	},
];

describe("a client that goes leaves nothing behind", () => {
	test.each(
		phases.flatMap((phase) => [
			{ ...phase, how: "reset" },
			{ ...phase, how: "end" },
		]),
	)("$how, $name", async ({ daemon, come, state, how, reason }) => {
		const tested = await startTestProxy();
		if (daemon !== undefined) tested.source.set([(await startStandIn(daemon)).port]);
		const leftNothing = watchForLeaks(tested);
		const client = await come(tested);
		await tested.until(() => lastState(tested) === state);
		if (how === "reset") client.socket.resetAndDestroy();
		else client.socket.end();
		await client.closed;
		await tested.until(() => lastState(tested) === "closed");
		expect(tested.moves.at(-1)).toMatchObject({ reason });
		await leftNothing();
	});
});

/** The first bytes of a TLS client. */
async function clientHello(): Promise<Buffer> {
	const { promise, resolve } = Promise.withResolvers<Buffer>();
	const server = await startStandIn((socket) => void socket.once("data", resolve));
	const client = tls.connect({ port: server.port, host: "127.0.0.1", servername: "localhost" });
	client.on("error", () => {});
	const hello = await promise;
	client.destroy();
	return hello;
}

describe("a client whose TLS never stands leaves nothing behind", () => {
	test.each([
		["before its hello", "reset", 0, "noPreface"],
		["before its hello", "end", 0, "noPreface"],
		["in the middle of its hello", "reset", 0.5, "noPreface"],
		["in the middle of its hello", "end", 0.5, "noPreface"],
		["when the proxy has answered its hello", "reset", 1, "tlsFailed"],
		["when the proxy has answered its hello", "end", 1, "tlsFailed"],
		["when the proxy has answered its hello", "silence", 1, "tlsFailed"],
	] as const)("%s: %s", async (_when, how, part, reason) => {
		const hello = await clientHello();
		const files = await (await TestCa.create()).sign("proxy", ["DNS:localhost"]);
		const tested = await startTestProxy({
			tls: { t: "terminate", files, clientAuth: "none", allowClients: [] },
			// Node's own clock runs while the handshake does.
			limits: { handshakeMs: 300 },
		});
		const leftNothing = watchForLeaks(tested);
		const client = await RawClient.connect(tested.port);
		client.send(hello.subarray(0, hello.length * part));
		if (part === 1) await tested.until(() => client.received.length > 0);
		if (how === "reset") client.socket.resetAndDestroy();
		if (how === "end") client.socket.end();
		await client.closed;
		while ((await tested.closedCount(reason)) === 0) await new Promise((resolve) => setImmediate(resolve));
		await leftNothing();
	});
});

describe("a daemon that breaks off before it has answered loses the build, and nothing of it has reached the client", () => {
	test.each([
		["when it has accepted", (socket: net.Socket) => socket.resetAndDestroy()],
		[
			"when it has read",
			(socket: net.Socket) => {
				socket.once("data", () => socket.resetAndDestroy());
			},
		],
		[
			"in the middle of its SETTINGS",
			(socket: net.Socket) => {
				socket.write(daemonSettings.subarray(0, 12));
				socket.once("data", () => socket.resetAndDestroy());
			},
		],
	])("%s", async (_when, onConnection) => {
		const bad = await startStandIn(onConnection);
		const good = await startStandIn();
		const tested = await startTestProxy();
		tested.source.set([bad.port, good.port]);
		const leftNothing = watchForLeaks(tested);
		const client = await opened(tested);
		await client.frame(({ type, length }) => type === frameType.settings && length === 6);
		expect(tested.moves.at(-1)).toMatchObject({ state: "live", daemon: "daemon-1" });
		expect(client.received.subarray(9)).toEqual(daemonSettings);
		client.socket.destroy();
		// It is tried again one day.
		tested.clock.advance(60_000);
		await leftNothing();
	});
});

describe("a daemon that goes in the middle of a build takes its client with it", () => {
	test.each([
		["reset", "daemonFailed"],
		["end", "daemonClosed"],
	] as const)("%s", async (how, reason) => {
		const daemon = await startStandIn((socket) => void socket.write(daemonSettings));
		const tested = await startTestProxy();
		tested.source.set([daemon.port]);
		const leftNothing = watchForLeaks(tested);
		const client = await opened(tested);
		await tested.until(() => lastState(tested) === "live");
		const { socket } = daemon.connections[0]!;
		socket.write("its last words");
		if (how === "reset") socket.resetAndDestroy();
		else socket.end();
		await client.closed;
		await tested.until(() => lastState(tested) === "closed");
		expect(tested.moves.at(-1)).toMatchObject({ reason });
		if (reason === "daemonClosed") expect(client.received.includes("its last words")).toBe(true);
		await leftNothing();
	});
});

describe("a connection that only one side has ended", () => {
	test.each([
		["client", "clientClosed"],
		["daemon", "daemonClosed"],
	] as const)(
		"is given up when the other one says nothing for 5 minutes: the %s ended",
		async (side, reason) => {
			const daemon = await startStandIn((socket) => void socket.write(daemonSettings));
			const tested = await startTestProxy();
			tested.source.set([daemon.port]);
			const leftNothing = watchForLeaks(tested);
			const client = await RawClient.opened(tested.port, undefined, { allowHalfOpen: true });
			await tested.until(() => lastState(tested) === "live");
			const { socket } = daemon.connections[0]!;
			const [ends, stays] = side === "client" ? [client.socket, socket] : [socket, client.socket];
			ends.end();
			await new Promise((resolve) => stays.once("end", resolve));
			tested.clock.advance(295_000);
			expect(lastState(tested)).toBe("live");
			tested.clock.advance(10_000);
			expect(tested.moves.at(-1)).toMatchObject({ state: "closed", reason });
			stays.destroy();
			await client.closed;
			await leftNothing();
		},
	);
});
