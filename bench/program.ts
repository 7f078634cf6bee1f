import { type ChildProcess, fork } from "node:child_process";
import { z } from "zod";
import { end } from "./child.ts";
import type { Cleanup } from "./cleanup.ts";

const programs = {
	"relay-daemon": new URL("./programs/relay-daemon.ts", import.meta.url),
	"relay-client": new URL("./programs/relay-client.ts", import.meta.url),
	"pipe-proxy": new URL("./programs/pipe-proxy.ts", import.meta.url),
} as const;

/** One of our own programs as a process of its own. */
export interface Program {
	readonly pid: number;
	/** Sends a message, or nothing, and resolves with the next message that comes back. */
	ask<T extends z.ZodType>(answer: T, message?: Readonly<Record<string, unknown>>): Promise<z.output<T>>;
}

export function startProgram(
	cleanup: Cleanup,
	name: keyof typeof programs,
	...args: readonly string[]
): Program {
	const child = fork(programs[name], args);
	cleanup.add(() => end(child));
	const { pid } = child;
	if (pid === undefined) throw new Error(`cannot start ${name}`);
	return {
		pid,
		async ask(answer, message) {
			const answered = nextMessage(child, name);
			if (message !== undefined) child.send(message);
			return answer.parse(await answered);
		},
	};
}

const failure = z.object({ error: z.string() });

function nextMessage(child: ChildProcess, name: string): Promise<unknown> {
	return new Promise((resolve, reject) => {
		const ended = () => reject(new Error(`${name} ended`));
		child.once("exit", ended);
		child.once("message", (message) => {
			child.off("exit", ended);
			const failed = failure.safeParse(message);
			if (failed.success) reject(new Error(`${name}: ${failed.data.error}`));
			else resolve(message);
		});
	});
}
