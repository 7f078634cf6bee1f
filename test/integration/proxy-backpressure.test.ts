import { createHash, randomBytes } from "node:crypto";
import net from "node:net";
import { describe, expect, test } from "vitest";
import { earlySettings, settingsAck } from "../../proxy/hold/http2.ts";
import { clientOpening, firstRequest } from "../helpers/raw-client.ts";
import { untilStalled } from "../helpers/stalled.ts";
import { daemonSettings, startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy } from "../helpers/test-proxy.ts";

const megabyte = randomBytes(1 << 20);
const megabytes = 64;

const sha = () => createHash("sha256");
const fromClient = Buffer.concat([clientOpening, firstRequest]);
const fromDaemon = Buffer.concat([earlySettings, daemonSettings]);

function repeatedly(first: Buffer): string {
	const hash = sha().update(first);
	for (let i = 0; i < megabytes; i++) hash.update(megabyte);
	return hash.digest("hex");
}

/** A live connection; neither end has anyone who reads it yet. */
async function connectedPair() {
	const sockets: net.Socket[] = [];
	const daemon = await startStandIn((socket) => {
		socket.removeAllListeners("data");
		socket.pause();
		socket.write(daemonSettings);
		sockets.push(socket);
	});
	const tested = await startTestProxy();
	tested.source.set([daemon.port]);
	const client = net.connect({ port: tested.port, host: "127.0.0.1", allowHalfOpen: true });
	client.write(fromClient);
	await tested.until(() => tested.moves.at(-1)?.state === "live");
	client.write(settingsAck);
	return { tested, client, daemon: sockets[0]! };
}

function hashToTheEnd(socket: net.Socket): Promise<string> {
	const hash = sha();
	socket.on("data", (chunk) => hash.update(chunk)).resume();
	return new Promise((resolve) => socket.once("end", () => resolve(hash.digest("hex"))));
}

describe("backpressure", () => {
	test.each(["client", "daemon"] as const)(
		"while the %s reads nothing, 64 MB stay where they come from; then all of them arrive",
		async (reader) => {
			const { tested, client, daemon } = await connectedPair();
			const [reads, writes] = reader === "client" ? [client, daemon] : [daemon, client];
			const arrived = () => {
				const { bytesFromClient, bytesFromDaemon } = tested.proxy.state().pools[0]!.connections[0]!;
				return reader === "client" ? bytesFromDaemon : bytesFromClient;
			};
			const memoryBefore = process.memoryUsage().arrayBuffers;
			for (let i = 0; i < megabytes; i++) writes.write(megabyte);
			writes.end();
			await untilStalled(arrived);
			expect(writes.writableLength).toBeGreaterThan(16 << 20);
			expect(process.memoryUsage().arrayBuffers - memoryBefore).toBeLessThan(4 << 20);
			const got = hashToTheEnd(reads);
			expect(await got).toBe(repeatedly(reader === "client" ? fromDaemon : fromClient));
			reads.end();
			writes.resume();
			await tested.until(() => tested.moves.at(-1)?.state === "closed");
		},
	);

	test.each(["client", "daemon"] as const)(
		"what the %s writes byte by byte arrives as it is",
		async (writer) => {
			const { tested, client, daemon } = await connectedPair();
			const [reads, writes] = writer === "daemon" ? [client, daemon] : [daemon, client];
			const bytes = megabyte.subarray(0, 3_000);
			const got = hashToTheEnd(reads);
			writes.resume();
			for (const byte of bytes) {
				writes.write(Buffer.from([byte]));
				await new Promise((resolve) => setImmediate(resolve));
			}
			writes.end();
			const first = writer === "daemon" ? fromDaemon : fromClient;
			expect(await got).toBe(sha().update(first).update(bytes).digest("hex"));
			reads.end();
			await tested.until(() => tested.moves.at(-1)?.state === "closed");
		},
	);
});
