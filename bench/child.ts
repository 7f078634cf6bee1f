import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { toolsPath } from "../test/tools/programs.ts";
import type { Cleanup } from "./cleanup.ts";

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
}

export function startServer(
	cleanup: Cleanup,
	program: string,
	args: readonly string[],
	env: NodeJS.ProcessEnv = process.env,
): Server {
	const child = spawn(program, args, {
		stdio: ["ignore", "pipe", "pipe"],
		env: { ...env, PATH: toolsPath() },
	});
	const { pid } = child;
	if (pid === undefined) {
		child.on("error", () => {});
		throw new Error(`cannot run ${program}`);
	}
	cleanup.add(() => end(child));
	const lines: string[] = [];
	const readers = new Set<(line: string) => void>();
	for (const stream of [child.stdout, child.stderr]) {
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
		line(find) {
			const found = new Promise<NonNullable<ReturnType<typeof find>>>((resolve) => {
				const reader = (line: string) => {
					const value = find(line);
					if (value === undefined || value === null) return;
					readers.delete(reader);
					resolve(value);
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
