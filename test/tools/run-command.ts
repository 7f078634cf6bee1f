import { spawn } from "node:child_process";
import { ToolError } from "./tool-error.ts";

const SHOWN_LINES = 15;

export interface CommandOptions {
	readonly cwd?: string;
	readonly env?: NodeJS.ProcessEnv;
	readonly stdin?: string;
}

/** Runs a command to its end and gives its stdout; a failure carries the end of what it said. */
export function runCommand(
	command: string,
	args: readonly string[],
	options: CommandOptions = {},
): Promise<string> {
	return new Promise((resolve, reject) => {
		const { stdin, ...rest } = options;
		const child = spawn(command, args, { ...rest, stdio: ["pipe", "pipe", "pipe"] });
		// A command that ends without reading it all says why by itself.
		child.stdin.on("error", () => {});
		child.stdin.end(stdin ?? "");
		let stdout = "";
		let stderr = "";
		child.stdout.setEncoding("utf8").on("data", (text: string) => {
			stdout += text;
		});
		child.stderr.setEncoding("utf8").on("data", (text: string) => {
			stderr += text;
		});
		child.on("error", (error) => reject(new ToolError(`cannot run ${command}: ${error.message}`)));
		child.on("close", (code, signal) => {
			if (code === 0) resolve(stdout);
			else reject(new ToolError(failure([command, ...args], code, signal), lastLines(stderr || stdout)));
		});
	});
}

function failure(command: readonly string[], code: number | null, signal: NodeJS.Signals | null): string {
	const line = command.map((word) => (word.includes(" ") ? `'${word}'` : word)).join(" ");
	return `\`${line}\` ${signal === null ? `exited with ${code}` : `was ended by ${signal}`}`;
}

function lastLines(text: string): string {
	return text.trimEnd().split("\n").slice(-SHOWN_LINES).join("\n");
}
