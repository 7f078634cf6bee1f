import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { unreachable } from "../../common/error.ts";
import { readIdentity } from "../../local/identity-file.ts";
import { buildkitdArgs, namespaceSignals } from "../../local/kinds/buildkitd.ts";
import { startChild } from "../../local/kinds/child.ts";
import type { DaemonExit, DaemonProcess } from "../../local/kinds/kind.ts";
import { deleteRuncRecords } from "../../local/kinds/runc-records.ts";
import { childrenOf, signalProcess } from "../../local/processes.ts";
import { findProgram, toolsPath } from "../tools/programs.ts";

export interface PodPlace {
	readonly ordinal: number;
	readonly uid: string;
	readonly host: string;
	/** Its own, as the hook tells its connections from others' by the port. */
	readonly port: number;
}

export interface PodDeps {
	readonly folder: string;
	/** From the pod's creation to the start of its container. */
	readonly startMs: number;
	/** The chart's preStop hook; the daemon gets SIGTERM when it ends. */
	readonly preStop: (pod: Pod) => ChildProcess;
	readonly changed: (pod: Pod) => void;
	readonly told: (what: string) => void;
}

type State =
	| { readonly t: "pending"; readonly timer: NodeJS.Timeout }
	| { readonly t: "running"; readonly daemon: DaemonProcess }
	/** Its container has crashed, and starts again after a while. */
	| { readonly t: "crashed"; readonly timer: NodeJS.Timeout }
	/** Deleted: its hook runs. */
	| { readonly t: "draining"; readonly daemon: DaemonProcess; readonly hook: ChildProcess }
	/** It has got SIGTERM. */
	| { readonly t: "stopping"; readonly daemon: DaemonProcess }
	| { readonly t: "gone" };

/** One pod of the StatefulSet with a real buildkitd, and what a kubelet does for it. */
export class Pod {
	readonly place: PodPlace;
	readonly name: string;
	readonly #deps: PodDeps;
	#state: State;
	/** How soon the container starts again after the next crash, in ms. */
	#downMs = 1_000;
	#frozen = false;

	constructor(place: PodPlace, deps: PodDeps) {
		this.place = place;
		this.name = `buildkitd-${place.ordinal}`;
		this.#deps = deps;
		this.#state = { t: "pending", timer: setTimeout(() => this.#start(), deps.startMs) };
	}

	get state(): State["t"] {
		return this.#state.t;
	}

	get isTerminating(): boolean {
		return this.#state.t === "draining" || this.#state.t === "stopping";
	}

	/** Whether there is a buildkitd. */
	get hasProcess(): boolean {
		return "daemon" in this.#state;
	}

	get isFrozen(): boolean {
		return this.#frozen;
	}

	/** Deletes it, as the StatefulSet or somebody else does. */
	delete(): void {
		switch (this.#state.t) {
			case "pending":
			case "crashed":
				clearTimeout(this.#state.timer);
				return this.#become({ t: "gone" });
			case "running": {
				const { daemon } = this.#state;
				const hook = this.#deps.preStop(this);
				const draining: State = { t: "draining", daemon, hook };
				this.#become(draining);
				this.#followHook(hook).then((code) => {
					if (this.#state !== draining) return;
					this.#deps.told(`${this.name}: its hook ended with ${code}; SIGTERM`);
					this.#become({ t: "stopping", daemon });
					daemon.terminate();
				});
				return;
			}
			case "draining":
			case "stopping":
			case "gone":
				return;
			default:
				return unreachable(this.#state);
		}
	}

	/** kill -9. Resolves when the daemon is dead. */
	async crash(downMs: number): Promise<void> {
		if (!("daemon" in this.#state)) return;
		this.#downMs = downMs;
		const { daemon } = this.#state;
		daemon.kill();
		await daemon.exit;
	}

	freeze(): void {
		this.#frozen = true;
		this.#signal("SIGSTOP");
	}

	thaw(): void {
		this.#frozen = false;
		this.#signal("SIGCONT");
	}

	/** Ends it without asking. Resolves when nothing of it is left. */
	async remove(): Promise<void> {
		const state = this.#state;
		if ("timer" in state) clearTimeout(state.timer);
		if ("hook" in state) state.hook.kill("SIGKILL");
		if (!("daemon" in state)) return;
		this.#state = { t: "stopping", daemon: state.daemon };
		state.daemon.kill();
		await state.daemon.exit;
	}

	#start(): void {
		const { ordinal, host, port } = this.place;
		const root = join(this.#deps.folder, "daemons", `${ordinal}`);
		mkdirSync(root, { recursive: true });
		const runc = findProgram("runc");
		const child = startChild(
			{
				program: "unshare",
				args: buildkitdArgs(findProgram("buildkitd"), `tcp://${host}:${port}`, root),
				path: toolsPath(),
				logFile: join(this.#deps.folder, `${this.place.uid}.log`),
				pidFile: this.#pidFile,
			},
			namespaceSignals,
		);
		// As when its container is removed: what a killed one left of runc's records goes with it.
		const exit = child.exit.then(async (ended) => {
			await deleteRuncRecords(runc, root);
			return ended;
		});
		const daemon = { ...child, exit };
		this.#become({ t: "running", daemon });
		void exit.then((ended) => this.#exited(ended));
	}

	#exited({ how, lastLines }: DaemonExit): void {
		this.#frozen = false;
		switch (this.#state.t) {
			case "running":
				this.#deps.told(`${this.name}: ended by itself (${how}): ${lastLines.at(-1) ?? ""}`);
				return this.#become({ t: "crashed", timer: setTimeout(() => this.#start(), this.#downMs) });
			case "draining":
				// A container that ends while its pod is deleted does not start again.
				this.#state.hook.kill("SIGKILL");
				return this.#become({ t: "gone" });
			case "stopping":
				return this.#become({ t: "gone" });
			case "pending":
			case "crashed":
			case "gone":
				throw new Error(`${this.name} exited without a process (${this.#state.t})`);
			default:
				return unreachable(this.#state);
		}
	}

	async #followHook(hook: ChildProcess): Promise<number | null> {
		if (hook.stdout !== null) {
			createInterface({ input: hook.stdout }).on("line", (line) => this.#deps.told(`${this.name}: ${line}`));
		}
		const [code] = (await once(hook, "exit")) as [number | null];
		return code;
	}

	/** The daemon is the first process of a namespace of its own, under unshare. */
	#signal(signal: NodeJS.Signals): void {
		const [pid] = childrenOf(readIdentity(this.#pidFile)?.pid ?? 0);
		if (pid !== undefined) signalProcess(pid, signal);
	}

	get #pidFile(): string {
		return join(this.#deps.folder, `${this.place.uid}.pid`);
	}

	#become(state: State): void {
		this.#state = state;
		this.#deps.told(`${this.name}: ${state.t}`);
		this.#deps.changed(this);
	}
}
