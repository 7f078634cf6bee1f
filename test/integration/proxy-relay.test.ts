import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readlinkSync } from "node:fs";
import net from "node:net";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { earlySettings, settingsAck } from "../../proxy/hold/http2.ts";
import * as kernel from "../../proxy/wire/kernel-pipe.ts";
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

vi.mock(import("../../proxy/wire/kernel-pipe.ts"), async (importOriginal) => {
	const actual = await importOriginal();
	return { ...actual, kernelPipes: vi.fn(actual.kernelPipes) };
});

function isPipe(descriptor: string): boolean {
	try {
		return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith("pipe:");
	} catch {
		// Of a file that is closed by now.
		return false;
	}
}

/** Has the wires copy what they move, as where there is no splice(2). */
function withoutKernelPipes(): void {
	vi.mocked(kernel.kernelPipes).mockReturnValue({ reason: "a test" });
	onTestFinished(() => void vi.mocked(kernel.kernelPipes).mockReset());
}

describe("the byte path", () => {
	test.each([
		["both fast", false, false, "moved"],
		["a slow client", true, false, "moved"],
		["a slow daemon", false, true, "moved"],
		["both fast, by copying", false, false, "copied"],
		["a slow client, by copying", true, false, "copied"],
		["a slow daemon, by copying", false, true, "copied"],
	])(
		"moves 24 MB each way unchanged, each direction to its own end: %s",
		async (_what, slowClient, slowDaemon, how) => {
			if (how === "copied") withoutKernelPipes();
			const move = vi.spyOn(kernel.KernelPipe.prototype, "fill");
			onTestFinished(() => move.mockRestore());
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
			const movedBytes = move.mock.results.reduce((sum, { value }) => sum + value, 0);
			if (how === "copied") expect(movedBytes).toBe(0);
			else expect(movedBytes).toBeGreaterThan(1e6);
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
