// A program: daemons that come up when they are told their ports. Says when they listened.
import net from "node:net";
import { z } from "zod";
import { settingsAck } from "../../proxy/hold/http2.ts";
import { daemonSettings } from "./frames.ts";
import { readAccepted } from "./reader.ts";

const request = z.object({ ports: z.array(z.number()) });
const firstBytes = Buffer.concat([daemonSettings, settingsAck]);

function start(port: number): Promise<void> {
	const server = net.createServer({ pauseOnConnect: true }, (accepted) => {
		const socket = readAccepted(accepted, () => {});
		socket.on("error", () => {});
		socket.write(firstBytes);
	});
	return new Promise((resolve, reject) => {
		server.once("error", reject);
		server.listen({ port, host: "127.0.0.1", backlog: 4_096 }, resolve);
	});
}

process.on("message", (message) => {
	Promise.all(request.parse(message).ports.map(start)).then(
		() => process.send?.({ at: Date.now() }),
		(error: Error) => process.send?.({ error: error.message }),
	);
});
process.on("disconnect", () => process.exit());
