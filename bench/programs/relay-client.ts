// A program: makes the transfers that its parent asks for, one at a time, and says how many seconds each took.
import net from "node:net";
import { z } from "zod";
import { flag, frameType, settingsAck } from "../../proxy/hold/http2.ts";
import { type Command, clientOpening, commandFrame, FrameReader } from "./frames.ts";
import { readingInto, writeBulk } from "./reader.ts";

const request = z.object({ port: z.number(), direction: z.enum(["up", "down"]), bytes: z.number() });

/** A transfer in which nothing moves for this long is stuck. */
const silentMs = 10_000;

function transfer(port: number, command: Command): Promise<number> {
	return new Promise((resolve, reject) => {
		const frames = new FrameReader(0);
		/** Bytes that must come before it is done; an upload is acknowledged with one. */
		const wanted = command.direction === "down" ? command.bytes : 1;
		let startedAt: number | undefined;
		let received = 0;
		const count = (length: number) => {
			received += length;
			if (startedAt === undefined || received < wanted) return;
			resolve((performance.now() - startedAt) / 1000);
			socket.destroy();
		};
		const start = () => {
			startedAt = performance.now();
			socket.write(commandFrame(command));
			if (command.direction === "up") writeBulk(socket, command.bytes);
		};
		const take = (bytes: Buffer) => {
			if (startedAt !== undefined) return count(bytes.length);
			frames.add(bytes);
			for (let next = frames.next(); next !== undefined; next = frames.next()) {
				const isAck = next.type === frameType.settings && (next.flags & flag.ack) !== 0;
				if (next.type === frameType.settings && !isAck) socket.write(settingsAck);
				// The ACK is the daemon's, never the proxy's, and the last frame before the raw bytes.
				if (isAck) return start();
			}
		};
		const socket = net.connect({ port, host: "127.0.0.1", ...readingInto(take) }, () => {
			socket.setNoDelay(true);
			socket.write(clientOpening);
		});
		socket.setTimeout(silentMs, () => socket.destroy(new Error("the transfer stands still")));
		socket.once("error", reject);
		socket.once("close", () => reject(new Error("the connection closed in the middle of a transfer")));
	});
}

process.on("message", (message) => {
	const { port, ...command } = request.parse(message);
	transfer(port, command).then(
		(seconds) => process.send?.({ seconds }),
		(error: Error) => process.send?.({ error: error.message }),
	);
});
process.on("disconnect", () => process.exit());
