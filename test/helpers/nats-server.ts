import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { findProgram } from "../tools/programs.ts";

export interface NatsServer {
	readonly url: string;
	readonly port: number;
	/** Ends the process at once (SIGKILL), as a crash would. */
	kill(): Promise<void>;
	/** Freezes the process: connections stay open and nobody answers. */
	freeze(): void;
	thaw(): void;
	/** Reads its configuration file again (SIGHUP), and says so in its log. */
	reload(): void;
}

/** A nats-server of the test's own; resolves when it takes clients. Port 0 chooses a free one. */
export async function startNatsServer(port = 0, ...flags: readonly string[]): Promise<NatsServer> {
	// nats-server reads port 0 as its default port; -1 is its word for "any".
	const args = ["--addr", "127.0.0.1", "--port", `${port === 0 ? -1 : port}`, ...flags];
	const child = spawn(findProgram("nats-server"), args, { stdio: ["ignore", "ignore", "pipe"] });
	const listening = await portFromLog(child);
	return {
		url: `nats://127.0.0.1:${listening}`,
		port: listening,
		async kill() {
			if (child.exitCode !== null || child.signalCode !== null) return;
			const exited = once(child, "exit");
			child.kill("SIGKILL");
			await exited;
		},
		freeze: () => child.kill("SIGSTOP"),
		thaw: () => child.kill("SIGCONT"),
		reload: () => child.kill("SIGHUP"),
	};
}

async function portFromLog(child: ChildProcess): Promise<number> {
	const { stderr } = child;
	if (stderr === null) throw new Error("no pipe to nats-server's log");
	let port: number | undefined;
	const log: string[] = [];
	for await (const line of createInterface({ input: stderr })) {
		log.push(line);
		port ??= Number(/client connections on .*:(\d+)/.exec(line)?.[1]) || undefined;
		if (port !== undefined && line.includes("Server is ready")) {
			stderr.resume();
			return port;
		}
	}
	throw new Error(`nats-server did not start:\n${log.join("\n")}`);
}
