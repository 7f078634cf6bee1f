import type { ChildProcess } from "node:child_process";
import { z } from "zod";

const failure = z.object({ error: z.string() });

/** Sends a message, or nothing, to a child with an IPC channel, and resolves with the next message that comes back. */
export async function ask<T extends z.ZodType>(
	child: ChildProcess,
	name: string,
	answer: T,
	message?: Readonly<Record<string, unknown>>,
): Promise<z.output<T>> {
	const answered = nextMessage(child, name);
	if (message !== undefined) child.send(message);
	return answer.parse(await answered);
}

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
