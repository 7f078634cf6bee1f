// A program: stands for a daemon. Opens each connection as buildkitd does, then takes or sends the raw bytes that
// the client's command asks for. Sends its port to its parent.
import net from "node:net";
import { clientPreface, settingsAck } from "../../proxy/hold/http2.ts";
import { type Command, daemonSettings, FrameReader, readCommand } from "./frames.ts";
import { readAccepted, writeBulk } from "./reader.ts";

const server = net.createServer({ pauseOnConnect: true }, (accepted) => {
	const reader = new FrameReader(clientPreface.length);
	let command: Command | undefined;
	let received = 0;
	const socket = readAccepted(accepted, (bytes) => {
		if (command === undefined) {
			reader.add(bytes);
			for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
				command = readCommand(frame);
				if (command !== undefined) break;
			}
			if (command?.direction === "down") writeBulk(socket, command.bytes);
			if (command?.direction === "up") received = reader.left;
		} else {
			received += bytes.length;
		}
		// One byte: everything has arrived.
		if (command?.direction === "up" && received === command.bytes) socket.write("!");
	});
	socket.on("error", () => {});
	socket.write(Buffer.concat([daemonSettings, settingsAck]));
});
server.listen(0, "127.0.0.1", () => {
	const address = server.address();
	if (typeof address === "object" && address !== null) process.send?.({ port: address.port });
});
process.on("disconnect", () => process.exit());
