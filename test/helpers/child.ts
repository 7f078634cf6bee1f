import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { z } from "zod";
import { toolsPath } from "../tools/programs.ts";
import type { Cleanup } from "./cleanup.ts";
import { type Confines, confined } from "./command.ts";
import { ask } from "./messages.ts";

const keptLines = 15;
const startMs = 30_000;
/** From SIGTERM to SIGKILL. */
const endMs = 5_000;

/** A server that a scenario runs: ended with the scenario. */
export interface Server {
	readonly pid: number;
	/** What `find` makes of the first line for which it is not undefined. Rejects when the server ends or is silent. */
	line<T>(find: (line: string) => T | undefined): Promise<T>;
	/** Resolves once `check` does; tries again until then. Rejects when the server ends or takes too long. */
	ready(check: () => Promise<unknown>): Promise<void>;
	/** Writes a line to its standard input. */
	tell(line: string): void;
	/** Sends a message and resolves with the next one that comes back; only with `ServerOptions.ipc`. */
	ask<T extends z.ZodType>(answer: T, message: Readonly<Record<string, unknown>>): Promise<z.output<T>>;
}

export interface ServerOptions extends Confines {
	readonly env?: NodeJS.ProcessEnv;
	/** Whether it is a Node process that answers messages. */
	readonly ipc?: boolean;
}

export function startServer(
	cleanup: Cleanup,
	program: string,
	args: readonly string[],
	{ env = process.env, ipc = false, ...confines }: ServerOptions = {},
): Server {
	const command = confined({ program, args }, confines);
	const child = spawn(command.program, command.args, {
		stdio: ipc ? ["pipe", "pipe", "pipe", "ipc"] : ["pipe", "pipe", "pipe"],
		env: { ...env, PATH: toolsPath() },
	});
	const { pid, stdin, stdout, stderr } = child;
	if (pid === undefined || stdin === null || stdout === null || stderr === null) {
		child.on("error", () => {});
		throw new Error(`cannot run ${program}`);
	}
	cleanup.add(() => end(child));
	const lines: string[] = [];
	const readers = new Set<(line: string) => void>();
	for (const stream of [stdout, stderr]) {
		createInterface({ input: stream }).on("line", (line) => {
			lines.push(line);
			if (lines.length > keptLines) lines.shift();
			for (const reader of readers) reader(line);
		});
	}
	const failure = (why: string) => new Error(`${program} ${why}:\n${lines.join("\n")}`);
	const ended = once(child, "close").then(() => {
		throw failure("ended");
	});
	ended.catch(() => {});
	const timeout = async () => {
		await sleep(startMs, undefined, { ref: false });
		throw failure(`was not ready within ${startMs / 1000} s`);
	};
	return {
		pid,
		tell: (line) => stdin.write(`${line}\n`),
		ask: (answer, message) => ask(child, program, answer, message),
		line(find) {
			const found = new Promise<NonNullable<ReturnType<typeof find>>>((resolve, reject) => {
				const reader = (line: string) => {
					try {
						const value = find(line);
						if (value === undefined || value === null) return;
						resolve(value);
					} catch (cause) {
						reject(new Error(`${program} said "${line}"`, { cause }));
					}
					readers.delete(reader);
				};
				readers.add(reader);
			});
			return Promise.race([found, ended, timeout()]);
		},
		async ready(check) {
			let given = false;
			const tried = (async () => {
				while (!given) {
					const ok = await check().then(
						() => true,
						() => false,
					);
					if (ok) return;
					await sleep(20);
				}
			})();
			try {
				await Promise.race([tried, ended, timeout()]);
			} finally {
				given = true;
			}
		},
	};
}

/** Ends a child of ours and waits for it. */
export async function end(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const exited = once(child, "exit");
	child.kill("SIGTERM");
	const killer = setTimeout(() => child.kill("SIGKILL"), endMs);
	await exited;
	clearTimeout(killer);
}
