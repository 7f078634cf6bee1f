import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { z } from "zod";
import { end } from "../test/helpers/child.ts";
import type { Cleanup } from "../test/helpers/cleanup.ts";
import { type Confines, confined } from "../test/helpers/command.ts";
import { ask } from "../test/helpers/messages.ts";

const programs = {
	"hold-clients": new URL("./programs/hold-clients.ts", import.meta.url),
	"hold-daemons": new URL("./programs/hold-daemons.ts", import.meta.url),
	"soak-clients": new URL("./programs/soak-clients.ts", import.meta.url),
	"soak-daemon": new URL("./programs/soak-daemon.ts", import.meta.url),
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
	{ args = [], ...confines }: Confines & { readonly args?: readonly string[] } = {},
): Program {
	const command = confined(
		{ program: process.execPath, args: [fileURLToPath(programs[name]), ...args] },
		confines,
	);
	const child = spawn(command.program, command.args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
	cleanup.add(() => end(child));
	const { pid } = child;
	if (pid === undefined) throw new Error(`cannot start ${name}`);
	return {
		pid,
		ask: (answer, message) => ask(child, name, answer, message),
	};
}
