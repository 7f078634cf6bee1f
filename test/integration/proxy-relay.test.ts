import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readlinkSync } from "node:fs";
import net from "node:net";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { livenessSampleMs } from "../../proxy/connection/liveness.ts";
import { earlySettings, settingsAck } from "../../proxy/hold/http2.ts";
import * as relays from "../../proxy/relay/relay.ts";
import { watchForLeaks } from "../helpers/leaks.ts";
import { clientOpening, firstRequest, RawClient } from "../helpers/raw-client.ts";
import { daemonSettings, startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy } from "../helpers/test-proxy.ts";

const sha = () => createHash("sha256");

/** Sends `chunks`, pausing now and then so that both short and full socket buffers occur. */
async function sendAll(socket: net.Socket, chunks: readonly Buffer[]): Promise<void> {
	for (const chunk of chunks) {
		if (!socket.write(chunk)) await new Promise<void>((resolve) => socket.once("drain", resolve));
	}
	socket.end();
}

/** Reads to the end, resting after each chunk when slow. Not `for await`: that would destroy a half-open socket. */
function hashAll(socket: net.Socket, slow: boolean): Promise<string> {
	const hash = sha();
	return new Promise((resolve, reject) => {
		socket.on("data", (chunk) => {
			hash.update(chunk);
			if (!slow) return;
			socket.pause();
			setImmediate(() => socket.resume());
		});
		socket.on("end", () => resolve(hash.digest("hex")));
		socket.on("error", reject);
	});
}

vi.mock(import("../../proxy/relay/relay.ts"), async (importOriginal) => {
	const actual = await importOriginal();
	return { ...actual, processRelay: vi.fn(actual.processRelay) };
});

function isPipe(descriptor: string): boolean {
	try {
		return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith("pipe:");
	} catch {
		// Of a file that is closed by now.
		return false;
	}
}

/** Has Node pass the bytes on, as where there is no node:ffi. */
function withoutRelay(): void {
	vi.mocked(relays.processRelay).mockReturnValue(undefined);
	onTestFinished(() => void vi.mocked(relays.processRelay).mockReset());
}

/** Counts the connections that move to the relay. */
function movedToRelay(): () => number {
	const take = vi.spyOn(relays.Relay.prototype, "take");
	onTestFinished(() => take.mockRestore());
	return () => take.mock.results.filter(({ value }) => value !== undefined).length;
}

beforeAll(async () => {
	const relay = relays.startRelay((what) => {
		throw new Error(what);
	});
	if (relay instanceof relays.Relay) await relay.ready;
});

describe("the byte path", () => {
	test.each([
		["both fast", false, false, "relayed"],
		["a slow client", true, false, "relayed"],
		["a slow daemon", false, true, "relayed"],
		["both fast, through Node", false, false, "through Node"],
		["a slow client, through Node", true, false, "through Node"],
		["a slow daemon, through Node", false, true, "through Node"],
	])(
		"moves 24 MB each way unchanged, each direction to its own end: %s",
		async (_what, slowClient, slowDaemon, how) => {
			if (how !== "relayed") withoutRelay();
			const moved = movedToRelay();
			const sizes = [1, 100, 4_096, 65_536, 300_000, 1 << 20];
			const chunks = Array.from({ length: 17 * sizes.length }, (_, i) =>
				randomBytes(sizes[i % sizes.length]!),
			);
			const hashAfter = (...first: Buffer[]) =>
				[...first, ...chunks].reduce((hash, chunk) => hash.update(chunk), sha()).digest("hex");
			let daemonGot: Promise<string> | undefined;
			const daemon = await startStandIn((socket) => {
				socket.write(daemonSettings);
				socket.removeAllListeners("data");
				daemonGot = hashAll(socket, slowDaemon);
				void sendAll(socket, chunks);
			});
			const { port, source, moves, until } = await startTestProxy();
			source.set([daemon.port]);
			const client = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
			// The ACK comes late, so the relay begins with the frame reader still in the way.
			client.write(Buffer.concat([clientOpening, firstRequest]));
			await until(() => moves.at(-1)?.state === "live");
			client.write(settingsAck);
			const clientGot = hashAll(client, slowClient);
			await sendAll(client, chunks);
			expect(await clientGot).toBe(hashAfter(earlySettings, daemonSettings));
			expect(await daemonGot).toBe(hashAfter(clientOpening, firstRequest));
			await until(() => moves.at(-1)?.state === "closed");
			expect(moves.at(-1)).toMatchObject({ reason: expect.stringMatching(/clientClosed|daemonClosed/) });
			expect(moved()).toBe(how === "relayed" ? 1 : 0);
		},
	);

	test("what the kernel holds for clients that leave is given back", async () => {
		const chunk = Buffer.alloc(1 << 20);
		const daemon = await startStandIn((socket) => {
			socket.write(daemonSettings);
			void sendAll(
				socket,
				Array.from({ length: 1_000 }, () => chunk),
			);
		});
		const { port, source, moves, until } = await startTestProxy({ capacity: 8 });
		source.set([daemon.port]);
		const pipes = () => readdirSync("/proc/self/fd").filter(isPipe).length;
		const before = pipes();
		const clients = Array.from({ length: 8 }, () => {
			const client = net.connect({ port, host: "127.0.0.1" });
			client.write(Buffer.concat([clientOpening, firstRequest, settingsAck]));
			let received = 0;
			// Fast enough to be bulk, and then not at all.
			client.on("data", ({ length }) => {
				received += length;
				if (received > 16 << 20) client.pause();
			});
			return client;
		});
		// Two ends each, and most clients have one.
		await until(() => pipes() >= before + 2 * 6);
		for (const client of clients) client.destroy();
		await until(() => moves.filter(({ state }) => state === "closed").length === clients.length);
		// What is kept for the next move.
		await until(() => pipes() <= before + 2 * 4);
	});

	test("a daemon that crashes ends its client at once", async () => {
		const daemon = await startStandIn();
		const { port, source, events, until } = await startTestProxy();
		source.set([daemon.port]);
		const client = await RawClient.opened(port);
		await client.frame((f) => f.length === 6);
		daemon.connections[0]?.socket.resetAndDestroy();
		await client.closed;
		await until(() => events.at(-1)?.type === "connection.closed");
		expect(events.at(-1)).toMatchObject({ connection: { reason: "daemonFailed" } });
	});

	test("a client that resets its connection, as one does that leaves bytes unread, has left it", async () => {
		const daemon = await startStandIn();
		const { port, source, events, until } = await startTestProxy();
		source.set([daemon.port]);
		const client = await RawClient.opened(port);
		await client.frame((f) => f.length === 6);
		await until(() => daemon.connections[0]!.received.includes(firstRequest));
		client.socket.resetAndDestroy();
		await until(() => daemon.connections[0]!.socket.readableEnded);
		await until(() => events.at(-1)?.type === "connection.closed");
		expect(events.at(-1)).toMatchObject({ connection: { reason: "clientClosed" } });
	});
});

describe("a build whose bytes the relay passes on", () => {
	/** A build that has said so much that it is. */
	async function relayedBuild(from: { allowHalfOpen?: boolean } = {}) {
		const daemon = await startStandIn((socket) => void socket.write(daemonSettings));
		const tested = await startTestProxy();
		tested.source.set([daemon.port]);
		const leftNothing = watchForLeaks(tested);
		const client = await RawClient.opened(tested.port, undefined, from);
		await client.frame((f) => f.length === 6);
		const [atDaemon] = daemon.connections;
		await tested.until(() => atDaemon!.received.includes(firstRequest));
		for (let word = 0; (await tested.metric("buildkit_proxy_relayed_connections")) === 0; word++) {
			const before = atDaemon!.received.length;
			client.send(Buffer.from(`word ${word}, `));
			await tested.until(() => atDaemon!.received.length > before);
		}
		const close = () => tested.moves.find(({ state }) => state === "closed");
		return { ...tested, client, atDaemon: atDaemon!, close, leftNothing };
	}

	test("goes on in both directions, and is counted", async () => {
		const { proxy, client, atDaemon, until, clock, leftNothing } = await relayedBuild();
		const heard = client.received.length;
		atDaemon.socket.write("an answer");
		await until(() => client.received.length > heard);
		expect(client.received.subarray(heard).toString()).toBe("an answer");
		client.send(Buffer.from("last word"));
		await until(() => atDaemon.received.toString().endsWith("last word"));
		clock.advance(livenessSampleMs);
		const [connection] = proxy.state().pools[0]!.connections;
		expect(connection).toMatchObject({
			state: "live",
			bytesFromClient: atDaemon.received.length + settingsAck.length,
			bytesFromDaemon: daemonSettings.length + 9,
		});
		client.socket.destroy();
		atDaemon.socket.end();
		await leftNothing();
	});

	test("ends with its daemon's crash, at once", async () => {
		const { client, atDaemon, until, close, leftNothing } = await relayedBuild();
		atDaemon.socket.resetAndDestroy();
		await client.closed;
		await until(() => close() !== undefined);
		expect(close()).toMatchObject({ reason: "daemonFailed" });
		await leftNothing();
	});

	test("ends when its client is gone, with a reset or without", async () => {
		for (const leave of ["destroy", "resetAndDestroy"] as const) {
			const { client, atDaemon, until, close, leftNothing } = await relayedBuild();
			client.socket[leave]();
			await until(() => atDaemon.socket.readableEnded);
			atDaemon.socket.end();
			await until(() => close() !== undefined);
			expect(close()).toMatchObject({ reason: "clientClosed" });
			await leftNothing();
		}
	});

	test("may end one direction and hear the answer on the other", async () => {
		const { client, atDaemon, until, close, leftNothing } = await relayedBuild({ allowHalfOpen: true });
		client.socket.end("that was all");
		await until(() => atDaemon.socket.readableEnded);
		expect(atDaemon.received.toString().slice(-12)).toBe("that was all");
		atDaemon.socket.end("here is more");
		await client.closed;
		expect(client.received.toString().slice(-12)).toBe("here is more");
		await until(() => close() !== undefined);
		expect(close()).toMatchObject({ reason: "clientClosed" });
		await leftNothing();
	});

	test("ends with its proxy, and its daemon hears of it", async () => {
		const { proxy, client, atDaemon, until } = await relayedBuild();
		const closed = proxy.close();
		await client.closed;
		await until(() => atDaemon.socket.readableEnded);
		await closed;
	});
});
