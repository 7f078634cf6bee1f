import { createConnection, createServer, type Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ToolError } from "../tools/tool-error.ts";

// An abstract unix socket: the kernel frees it when its holder dies, however it dies, so it is never stale.
const prefix = "\0buildkit-scaler-";

export interface Lock {
	release(): Promise<void>;
}

const RETRY_MS = 200;

/**
 * By default the cluster's own: one kit at a time may start, hold or stop it. A second one waits that long, and is
 * then told who is busy.
 */
export async function takeLock(name = "cluster", timeoutMs = 0): Promise<Lock> {
	const address = prefix + name;
	const server = createServer((socket) => {
		socket.on("error", () => {});
		socket.end(`process ${process.pid} (${process.argv.slice(1).join(" ")})`);
	});
	const deadline = performance.now() + timeoutMs;
	while (!(await tryListen(server, address))) {
		if (performance.now() >= deadline) {
			throw new ToolError(`another process is using the ${name}: ${await askHolder(address)}`);
		}
		await sleep(RETRY_MS);
	}
	// The lock alone must not keep a finished process from ending.
	server.unref();
	return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

function tryListen(server: Server, address: string): Promise<boolean> {
	return new Promise((resolve, reject) => {
		const onError = (error: NodeJS.ErrnoException) => {
			server.off("listening", onListening);
			if (error.code === "EADDRINUSE") resolve(false);
			else reject(error);
		};
		const onListening = () => {
			server.off("error", onError);
			resolve(true);
		};
		server.once("error", onError).once("listening", onListening).listen(address);
	});
}

function askHolder(address: string): Promise<string> {
	return new Promise((resolve) => {
		let text = "";
		const socket = createConnection(address);
		// A holder whose event loop is busy must not hold us too.
		socket.setTimeout(1_000, () => socket.destroy());
		socket.setEncoding("utf8").on("data", (data: string) => {
			text += data;
		});
		socket.on("error", () => {});
		socket.on("close", () => resolve(text === "" ? "one that does not answer" : text));
	});
}
