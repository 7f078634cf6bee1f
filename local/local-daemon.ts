import { type Backoff, backoffDelayMs } from "../common/backoff.ts";
import type { Clock } from "../common/clock.ts";
import { ScalerError, unreachable } from "../common/error.ts";
import type { Daemon } from "../proxy/daemon.ts";
import { checkDaemonMove, type DaemonState } from "./daemon-state.ts";
import { type DaemonExit, type DaemonKind, type DaemonProcess, daemonName } from "./kinds/kind.ts";
import type { DaemonObservation } from "./observation.ts";

/** Between restarts of a daemon that ends by itself. A run longer than `maxMs` was a good one and resets it. */
const restartBackoff: Backoff = { firstMs: 1_000, maxMs: 30_000 };

export interface LocalDaemonDeps {
	readonly kind: DaemonKind;
	readonly clock: Clock;
	/** From wanting a daemon to starting it, in ms. */
	readonly wakeDelayMs: number;
	/** From SIGTERM to SIGKILL, in ms. */
	readonly stopGraceMs: number;
	/** Resolves when no build is on the daemon. A rejection counts as never. */
	readonly whenUnused: (daemonName: string) => Promise<void>;
	/** Called after each move. */
	readonly moved: (daemon: LocalDaemon) => void;
	readonly observe: (observation: DaemonObservation) => void;
}

/** One ordinal of the pool. Wanted from its making until `drain`, or again by `keep` while that is possible. */
export class LocalDaemon {
	readonly name: string;
	readonly ordinal: number;
	readonly #deps: LocalDaemonDeps;
	#state: DaemonState;
	#failures = 0;

	constructor(ordinal: number, deps: LocalDaemonDeps) {
		this.ordinal = ordinal;
		this.name = daemonName(ordinal);
		this.#deps = deps;
		this.#state = { t: "delayed", timer: deps.clock.after(deps.wakeDelayMs, () => this.#start()) };
	}

	get state(): DaemonState["t"] {
		return this.#state.t;
	}

	/** As the proxy sees it: undefined while it has no process. */
	get listed(): Daemon | undefined {
		const { name, ordinal } = this;
		const as = (draining: boolean): Daemon => {
			return { name, ordinal, address: this.#deps.kind.address(ordinal), draining };
		};
		switch (this.#state.t) {
			case "running":
				return as(false);
			case "draining":
			case "stopping":
			case "killing":
				return as(true);
			case "delayed":
			case "backingOff":
			case "gone":
				return undefined;
			default:
				return unreachable(this.#state);
		}
	}

	/** Wanted again. Too late once it was told to end: then it goes, and its successor comes. */
	keep(): void {
		if (this.#state.t !== "draining") return;
		const { process, startedAt } = this.#state;
		this.#setState({ t: "running", process, startedAt });
		this.#observe({ t: "daemonKept" });
	}

	/** No longer wanted: ends it when it has no builds. */
	drain(): void {
		if (this.#state.t === "delayed" || this.#state.t === "backingOff") return this.#setState({ t: "gone" });
		if (this.#state.t !== "running") return;
		const { process, startedAt } = this.#state;
		const draining: DaemonState = { t: "draining", process, startedAt };
		// First the proxy learns that nothing new may come here, then it is asked when the last build has gone.
		this.#setState(draining);
		this.#observe({ t: "daemonDraining" });
		const ended = () => {
			// It may have been kept, and be draining for a second time: then this is not the answer.
			if (this.#state === draining) this.terminate();
		};
		this.#deps.whenUnused(this.name).then(ended, () => {});
	}

	/** Ends it without waiting for builds; buildkitd itself lets them finish, for as long as the grace lasts. */
	terminate(): void {
		if (this.#state.t === "delayed" || this.#state.t === "backingOff") return this.#setState({ t: "gone" });
		if (this.#state.t !== "running" && this.#state.t !== "draining") return;
		const { process } = this.#state;
		const timer = this.#deps.clock.after(this.#deps.stopGraceMs, () => this.kill());
		this.#setState({ t: "stopping", process, timer });
		process.terminate();
	}

	/** Ends it at once, with its builds. */
	kill(): void {
		if (this.#state.t === "delayed" || this.#state.t === "backingOff") return this.#setState({ t: "gone" });
		if (this.#state.t === "killing" || this.#state.t === "gone") return;
		const { process } = this.#state;
		this.#setState({ t: "killing", process });
		process.kill();
	}

	#start(): void {
		const { kind, clock } = this.#deps;
		let process: DaemonProcess;
		try {
			process = kind.spawn(this.ordinal);
		} catch (error) {
			return this.#retry({ how: ScalerError.from(error).message, lastLines: [] });
		}
		this.#setState({ t: "running", process, startedAt: clock.now() });
		this.#observe({ t: "daemonStarted" });
		void process.exit.then((exit) => this.#exited(exit));
	}

	#exited(exit: DaemonExit): void {
		switch (this.#state.t) {
			case "running": {
				const ranMs = this.#deps.clock.now() - this.#state.startedAt;
				if (ranMs > restartBackoff.maxMs) this.#failures = 0;
				return this.#retry(exit);
			}
			case "draining":
				this.#observe({ t: "daemonFailed", ...exit, retryMs: null });
				return this.#setState({ t: "gone" });
			case "stopping":
			case "killing":
				return this.#setState({ t: "gone" });
			case "delayed":
			case "backingOff":
			case "gone":
				throw new ScalerError("INTERNAL", `${this.name} exited without a process (${this.#state.t})`);
			default:
				return unreachable(this.#state);
		}
	}

	#retry(exit: DaemonExit): void {
		this.#failures++;
		const retryMs = backoffDelayMs(restartBackoff, this.#failures);
		this.#setState({ t: "backingOff", timer: this.#deps.clock.after(retryMs, () => this.#start()) });
		this.#observe({ t: "daemonFailed", ...exit, retryMs });
	}

	#observe(what: DistributiveOmit<DaemonObservation, "at" | "daemon">): void {
		this.#deps.observe({ ...what, at: this.#deps.clock.now(), daemon: this.name });
	}

	#setState(state: DaemonState): void {
		const left = this.#state;
		checkDaemonMove(left.t, state.t);
		this.#state = state;
		if ("timer" in left) left.timer.cancel();
		this.#deps.moved(this);
	}
}

type DistributiveOmit<T, Key extends string> = T extends unknown ? Omit<T, Key> : never;
