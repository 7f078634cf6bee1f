import { once } from "node:events";
import net from "node:net";

/**
 * Below those that the system itself gives away (net.ipv4.ip_local_port_range), to a socket that connects or to a server
 * that wants any: nobody gets one of these by chance before whoever asked for it has it.
 */
const firstPort = 16_000;
const ports = 14_000;

/** Each process begins elsewhere: several ask at the same time. */
let asked = process.pid * 101;

/** A port of 127.0.0.1 that nobody listens on, for programs that cannot choose one themselves; never the same twice in a process. */
export async function freePort(): Promise<number> {
	for (let tries = 0; tries < ports; tries++) {
		const port = firstPort + (asked++ % ports);
		if (await isFree(port)) return port;
	}
	throw new Error("no port is free");
}

async function isFree(port: number): Promise<boolean> {
	const server = net.createServer().listen(port, "127.0.0.1");
	try {
		await once(server, "listening");
	} catch {
		return false;
	}
	server.close();
	await once(server, "close");
	return true;
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
