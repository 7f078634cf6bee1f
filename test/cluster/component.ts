import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { toolsPath } from "../tools/programs.ts";
import { ToolError } from "../tools/tool-error.ts";
import { componentsFile } from "./cgroups.ts";
import type { ComponentSpec } from "./component-spec.ts";
import { dirs } from "./layout.ts";
import { isAlive, isStopped, type ProcessRef, refOf, signal, waitUntilGone } from "./processes.ts";
import { readState, updateState } from "./state.ts";

const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 25;
const SHOWN_LINES = 20;

/** One program of the cluster. Its pid stands in the state file, so any later process can get hold of it. */
export class Component {
	readonly spec: ComponentSpec;
	readonly logPath: string;

	constructor(spec: ComponentSpec) {
		this.spec = spec;
		this.logPath = join(dirs.logs, `${spec.name}.log`);
	}

	get process(): ProcessRef | undefined {
		const ref = readState()?.processes[this.spec.name];
		return ref !== undefined && isAlive(ref) ? ref : undefined;
	}

	/** Starts it, also anew after kill(), and waits until it is ready. */
	async start(): Promise<void> {
		if (this.process !== undefined) throw new ToolError(`${this.spec.name} runs already`);
		const ref = this.#spawn();
		updateState(({ processes }) => ({ processes: { ...processes, [this.spec.name]: ref } }));
		const deadline = performance.now() + READY_TIMEOUT_MS;
		while (!(await this.#isReady())) {
			if (!isAlive(ref)) throw this.failure("ended while starting");
			if (performance.now() > deadline) throw this.failure(`not ready after ${READY_TIMEOUT_MS / 1000} s`);
			await sleep(POLL_MS);
		}
		// What answers may be another's server on the same port, with ours just about to give up.
		if (!isAlive(ref)) throw this.failure("ended while starting");
	}

	/** SIGSTOP: it hangs, its connections stay open. Resolves when all its threads stand still. */
	async stop(): Promise<void> {
		const ref = this.#signal("SIGSTOP");
		while (isAlive(ref) && !isStopped(ref)) await sleep(1);
	}

	/** Ends a stop(). */
	continue(): void {
		this.#signal("SIGCONT");
	}

	/** SIGKILL: it crashes, its connections break. Resolves when it is gone; start() brings it back. */
	async kill(): Promise<void> {
		const ref = this.#signal("SIGKILL");
		if (!(await waitUntilGone([ref], 5_000))) throw new ToolError(`${this.spec.name} does not end`);
	}

	/** An error that shows the log's end. */
	failure(what: string): ToolError {
		return new ToolError(`${this.spec.name} ${what}; ${this.logPath} ends with:`, this.logTail());
	}

	logTail(lines: number = SHOWN_LINES): string {
		try {
			return readFileSync(this.logPath, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
		} catch {
			return "(no log)";
		}
	}

	async #isReady(): Promise<boolean> {
		try {
			return await this.spec.isReady();
		} catch {
			return false;
		}
	}

	#signal(name: NodeJS.Signals): ProcessRef {
		const ref = this.process;
		if (ref === undefined || !signal(ref, name)) throw new ToolError(`${this.spec.name} does not run`);
		return ref;
	}

	#spawn(): ProcessRef {
		const log = openSync(this.logPath, "a");
		// exec keeps the pid, so the one known here is the program's own, and it is in its cgroup from the start.
		const joinAndExec = ["-c", `echo $$ > "$0" && exec "$@"`, componentsFile(), ...this.#command()];
		try {
			const child = spawn("/bin/sh", joinAndExec, {
				// Its own session: neither Ctrl-C nor the kit's end reaches it.
				detached: true,
				stdio: ["ignore", log, log],
				cwd: dirs.root,
				// Not the caller's environment: a proxy or a KUBECONFIG in there must not matter.
				env: { PATH: toolsPath(), HOME: dirs.root, ...this.spec.env },
			});
			child.unref();
			const ref = child.pid === undefined ? undefined : refOf(child.pid);
			if (ref === undefined) throw this.failure("could not be started");
			return ref;
		} finally {
			closeSync(log);
		}
	}

	#command(): readonly string[] {
		if (this.spec.onNode !== true) return this.spec.command;
		const holder = readState()?.processes["node-mounts"];
		if (holder === undefined || !isAlive(holder)) throw new ToolError("the node's mount namespace is gone");
		return ["nsenter", "--mount", `--target=${holder.pid}`, "--", ...this.spec.command];
	}
}
