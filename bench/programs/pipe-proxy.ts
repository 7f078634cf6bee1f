// A program: what the shortest Node proxy does. node pipe-proxy.ts <daemon port>; sends its port to its parent.
import net from "node:net";

const daemonPort = Number(process.argv[2]);
const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
	const daemon = net.connect({ port: daemonPort, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
	client.pipe(daemon);
	daemon.pipe(client);
	client.on("error", () => daemon.destroy());
	daemon.on("error", () => client.destroy());
});
server.listen(0, "127.0.0.1", () => {
	const address = server.address();
	if (typeof address === "object" && address !== null) process.send?.({ port: address.port });
});
process.on("disconnect", () => process.exit());
