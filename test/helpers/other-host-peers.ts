// What runs on the other host in test/integration/dead-host.test.ts: a daemon, and a client for each line of standard input.
// Both send what they are told to when their connection stands, and are silent from then on. Prints the daemon's port.
import net from "node:net";

export interface PeersOptions {
	readonly here: string;
	readonly daemonSends: string;
	readonly proxy: { readonly host: string; readonly port: number };
	readonly clientSends: string;
}

function talkOnce(socket: net.Socket, hex: string): void {
	socket.on("error", () => {});
	socket.resume().write(Buffer.from(hex, "hex"));
}

if (process.argv[2] !== undefined) {
	const options: PeersOptions = JSON.parse(process.argv[2]);
	const daemon = net.createServer((socket) => talkOnce(socket, options.daemonSends));
	daemon.listen(0, options.here, () => {
		const address = daemon.address();
		if (typeof address === "object" && address !== null) console.log(address.port);
	});
	process.stdin.on("data", () => talkOnce(net.connect(options.proxy), options.clientSends));
}
