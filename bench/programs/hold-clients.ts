// A program: a crowd of clients that open as grpc-go does and wait. Told to "arrive", it says how many seconds that
// took; asked when they were "served", it says when the last of them got its first byte from a daemon.
import net from "node:net";
import { z } from "zod";
import { frameHeaderBytes, settingsAck } from "../../proxy/hold/http2.ts";
import { buildRequest, prefaceAndSettings } from "./frames.ts";
import { readingInto } from "./reader.ts";

const request = z.discriminatedUnion("what", [
	z.object({ what: z.literal("arrive"), port: z.number(), connections: z.number(), staying: z.number() }),
	z.object({ what: z.literal("served") }),
]);

/** Clients that are being opened at a time. */
const crowd = 256;
/** Fewer than the proxy takes from one address, and than an address has ports. */
const clientsPerAddress = 500;
/** The proxy's own SETTINGS frame is empty; what comes after it is a daemon's. */
const proxyBytes = frameHeaderBytes;

const held: Promise<number>[] = [];
/** How many more stay connected when they are served. */
let mayStay = 0;

/** `onHeld`: the proxy has answered and got the first request. Resolves with the time of the daemon's first byte. */
function client(port: number, localAddress: string, onHeld: () => void): Promise<number> {
	return new Promise((resolve, reject) => {
		let received = 0;
		const take = (bytes: Buffer) => {
			const before = received;
			received += bytes.length;
			if (before < proxyBytes && received >= proxyBytes) {
				socket.write(Buffer.concat([settingsAck, buildRequest]));
				onHeld();
			}
			if (before <= proxyBytes && received > proxyBytes) {
				resolve(Date.now());
				if (mayStay-- > 0) socket.write(settingsAck);
				else socket.destroy();
			}
		};
		const socket = net.connect(
			{ port, host: "127.0.0.1", localAddress, noDelay: true, ...readingInto(take) },
			() => socket.write(prefaceAndSettings),
		);
		socket.once("error", reject);
		socket.once("close", () => reject(new Error("a client's connection was closed")));
	});
}

async function arrive(port: number, connections: number, staying: number): Promise<{ seconds: number }> {
	mayStay = staying;
	const startedAt = performance.now();
	const openOneAfterAnother = async () => {
		while (held.length < connections) {
			const host = 1 + Math.floor(held.length / clientsPerAddress);
			const address = `127.0.${host >> 8}.${host & 255}`;
			await new Promise<void>((resolve, reject) => {
				const served = client(port, address, resolve);
				served.catch(reject);
				held.push(served);
			});
		}
	};
	await Promise.all(Array.from({ length: crowd }, openOneAfterAnother));
	return { seconds: (performance.now() - startedAt) / 1000 };
}

async function served(): Promise<{ lastAt: number }> {
	const times = await Promise.all(held);
	return { lastAt: times.reduce((last, at) => Math.max(last, at), 0) };
}

process.on("message", (message) => {
	const asked = request.parse(message);
	const answer = asked.what === "arrive" ? arrive(asked.port, asked.connections, asked.staying) : served();
	answer.then(
		(result) => process.send?.(result),
		(error: Error) => process.send?.({ error: error.message }),
	);
});
process.on("disconnect", () => process.exit());
