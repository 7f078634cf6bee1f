import { Listeners } from "../common/listeners.ts";
import type { Daemon, DaemonSource } from "../proxy/daemon.ts";
import type { ScaleTarget } from "./controller.ts";
import { LocalDaemon, type LocalDaemonDeps } from "./local-daemon.ts";
import type { DaemonObservation } from "./observation.ts";

export type LocalDaemonsDeps = Omit<LocalDaemonDeps, "moved" | "observe">;

/**
 * The pool's daemons as child processes: a StatefulSet with podManagementPolicy Parallel in small. Ordinals 0 to
 * replicas - 1 are started together; the highest go first, each when it has no builds.
 */
export class LocalDaemons implements ScaleTarget, DaemonSource {
	readonly #deps: LocalDaemonDeps;
	readonly #byOrdinal = new Map<number, LocalDaemon>();
	readonly #changes = new Listeners<[]>();
	readonly #observations = new Listeners<[DaemonObservation]>();
	#replicas = 0;
	/** Set once nothing may be started any more; called when the last daemon is gone. */
	#allGone: (() => void) | undefined;
	#stopped: Promise<void> | undefined;

	constructor(deps: LocalDaemonsDeps) {
		this.#deps = {
			...deps,
			moved: (daemon) => this.#moved(daemon),
			observe: (observation) => this.#observations.emit(observation),
		};
	}

	get replicas(): number {
		return this.#replicas;
	}

	/** Those with a process, by ordinal. */
	get daemons(): readonly Daemon[] {
		return this.#inOrder().flatMap((daemon) => daemon.listed ?? []);
	}

	onChange(listener: () => void): () => void {
		return this.#changes.add(listener);
	}

	onObservation(listener: (observation: DaemonObservation) => void): () => void {
		return this.#observations.add(listener);
	}

	/** Wants `replicas` daemons from now on. Does nothing after `stop` or `kill`. */
	scale(replicas: number): void {
		if (this.#stopped !== undefined) return;
		this.#replicas = replicas;
		for (let ordinal = 0; ordinal < replicas; ordinal++) {
			const daemon = this.#byOrdinal.get(ordinal);
			if (daemon === undefined) this.#create(ordinal);
			else daemon.keep();
		}
		for (const daemon of this.#inOrder().reverse()) {
			if (daemon.ordinal >= replicas) daemon.drain();
		}
	}

	/** Ends every daemon: SIGTERM, and SIGKILL after the grace. Resolves when nothing of them is left. */
	stop(): Promise<void> {
		// 1. Nothing is started any more.
		const stopped = this.#end();
		// 2. Each is told to end, whether it has builds or not: who wants them finished waits before.
		for (const daemon of this.#inOrder().reverse()) daemon.terminate();
		// 3. The last one's exit resolves it.
		return stopped;
	}

	/** Ends every daemon at once. Resolves when nothing of them is left. */
	kill(): Promise<void> {
		const stopped = this.#end();
		for (const daemon of this.#inOrder()) daemon.kill();
		return stopped;
	}

	#end(): Promise<void> {
		this.#replicas = 0;
		this.#stopped ??= new Promise((resolve) => {
			this.#allGone = resolve;
			if (this.#byOrdinal.size === 0) resolve();
		});
		return this.#stopped;
	}

	#create(ordinal: number): void {
		this.#byOrdinal.set(ordinal, new LocalDaemon(ordinal, this.#deps));
	}

	#moved(daemon: LocalDaemon): void {
		if (daemon.state === "gone") this.#gone(daemon);
		this.#changes.emit();
	}

	#gone({ name, ordinal }: LocalDaemon): void {
		this.#byOrdinal.delete(ordinal);
		const at = this.#deps.clock.now();
		this.#observations.emit({ t: "daemonStopped", at, daemon: name, left: this.#byOrdinal.size });
		// Wanted again after it was told to end: as in a StatefulSet, the next one comes once the name is free.
		if (ordinal < this.#replicas) this.#create(ordinal);
		if (this.#byOrdinal.size === 0) this.#allGone?.();
	}

	#inOrder(): LocalDaemon[] {
		return [...this.#byOrdinal.values()].sort((a, b) => a.ordinal - b.ordinal);
	}
}
