import net from "node:net";

/** A port of 127.0.0.1 that nobody listens on, for programs that cannot choose one themselves. */
export async function freePort(): Promise<number> {
	const server = net.createServer();
	await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
	const address = server.address();
	await new Promise<void>((resolve) => server.close(() => resolve()));
	if (typeof address !== "object" || address === null) throw new Error("no port");
	return address.port;
}

/** Resolves when something accepts on this port of 127.0.0.1. */
export function accepts(port: number): Promise<void> {
	return new Promise((resolve, reject) => {
		const socket = net.connect({ port, host: "127.0.0.1" }, () => {
			socket.destroy();
			resolve();
		});
		socket.once("error", reject);
	});
}
