import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { toolsPath } from "../tools/programs.ts";

const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

/** Signals closer together than 200 ms count as one (cli/main.ts); the second is the one that waits for no build. */
export const secondSignalMs = 250;

export interface Output {
	readonly text: string;
	/** Milliseconds since the process was started. */
	readonly atMs: number;
}

/** A `buildkit-scaler` process, or any other, whose output a test waits on. */
export class CliProcess {
	readonly child: ChildProcess;
	readonly lines: Output[] = [];
	readonly exited: Promise<number | null>;
	readonly startedAt = performance.now();
	readonly #checks = new Set<() => void>();
	#hasExited = false;

	constructor(
		command: string,
		args: readonly string[],
		options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
	) {
		this.child = spawn(command, args, {
			...options,
			env: { ...process.env, PATH: toolsPath(), ...options.env },
			stdio: ["ignore", "pipe", "pipe"],
		});
		for (const stream of [this.child.stdout, this.child.stderr]) this.#follow(stream);
		this.exited = new Promise((resolve, reject) => {
			this.child.once("error", reject);
			this.child.once("close", (code) => {
				this.#hasExited = true;
				for (const check of this.#checks) check();
				resolve(code);
			});
		});
	}

	/** `buildkit-scaler ARGS`, run from source; killed if it still runs when the test ends. */
	static start(...args: readonly string[]): CliProcess {
		const started = new CliProcess(process.execPath, [main, ...args]);
		onTestFinished(async () => {
			started.child.kill("SIGTERM");
			const second = setTimeout(() => started.child.kill("SIGTERM"), secondSignalMs);
			const timeout = setTimeout(() => started.child.kill("SIGKILL"), 10_000);
			await started.exited;
			clearTimeout(second);
			clearTimeout(timeout);
		});
		return started;
	}

	get output(): string {
		return this.lines.map(({ text }) => text).join("\n");
	}

	/** Resolves with the first line, so far or later, that matches. Rejects when the process ends without one. */
	line(pattern: RegExp): Promise<RegExpExecArray & Output> {
		return new Promise((resolve, reject) => {
			const check = () => {
				for (const output of this.lines) {
					const match = pattern.exec(output.text);
					if (match === null) continue;
					this.#checks.delete(check);
					return resolve(Object.assign(match, output));
				}
				if (this.#hasExited) reject(new Error(`ended without ${pattern}:\n${this.output}`));
			};
			this.#checks.add(check);
			check();
		});
	}

	#follow(stream: NodeJS.ReadableStream | null): void {
		let rest = "";
		stream?.setEncoding("utf8").on("data", (chunk: string) => {
			const parts = `${rest}${chunk}`.split("\n");
			rest = parts.pop() ?? "";
			const atMs = performance.now() - this.startedAt;
			for (const text of parts) this.lines.push({ text, atMs });
			for (const check of this.#checks) check();
		});
	}
}
