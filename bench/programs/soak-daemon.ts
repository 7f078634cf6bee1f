// A program: stands for a daemon in short builds: opens as buildkitd does, sends an `echo` frame back and hangs up on
// a `hangUp` frame. Sends its port to its parent.
import net from "node:net";
import { clientPreface, frame, settingsAck } from "../../proxy/hold/http2.ts";
import { daemonSettings, FrameReader, soakFrame } from "./frames.ts";
import { readAccepted } from "./reader.ts";

const firstBytes = Buffer.concat([daemonSettings, settingsAck]);

const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true }, (accepted) => {
	const reader = new FrameReader(clientPreface.length);
	const socket = readAccepted(accepted, (bytes) => {
		reader.add(bytes);
		for (let next = reader.next(); next !== undefined; next = reader.next()) {
			if (next.type === soakFrame.echo) socket.write(frame(next.type, 0, 0, next.payload));
			if (next.type === soakFrame.hangUp) socket.end();
		}
	});
	socket.on("error", () => {});
	socket.on("end", () => socket.end());
	socket.write(firstBytes);
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 }, () => {
	const address = server.address();
	if (typeof address === "object" && address !== null) process.send?.({ port: address.port });
});
process.on("disconnect", () => process.exit());
