import type { Clock, Timer } from "../../common/clock.ts";
import type { ScalerError } from "../../common/error.ts";
import { drainMarkMs } from "../../events/drain-request.ts";
import type { Connection } from "../connection/connection.ts";
import type { Daemon } from "../daemon.ts";
import { avoidMs, type Reachability } from "./reachability.ts";

/** A connect on its way to a daemon. It belongs to the daemon, not to a build: whoever waits longest gets it. */
export interface Dial {
	readonly abort: () => void;
	/** Whom it was chosen for, where the choice depends on that. */
	readonly waiter: Connection | undefined;
}

/** What a pool keeps of one daemon. */
export class DaemonEntry {
	daemon: Daemon;
	/** Whether the source still lists it; one that is gone stays here until its last connection ended. */
	listed = true;
	reachability: Reachability = { t: "unknown", failures: 0 };
	/** What went wrong last, for whoever waits. */
	lastFailure: string | undefined;
	/** From assignment to the end of the connection. */
	readonly assigned = new Set<Connection>();
	/** Those of `assigned` that are silent: no build is behind them, so they take no slot. */
	readonly idle = new Set<Connection>();
	readonly dials = new Set<Dial>();
	/** Those of `dials` that take so long that another daemon is tried beside this one. */
	readonly slowDials = new Set<Dial>();
	/** Set while a scaler wants it to end: until this fires it gets no new builds. */
	#drainMark: Timer | undefined;

	constructor(daemon: Daemon) {
		this.daemon = daemon;
	}

	get active(): number {
		return this.assigned.size - this.idle.size;
	}

	/** Whether it gets no new builds, as it is about to go, is gone, or a scaler asked for that. */
	get draining(): boolean {
		return !this.listed || this.daemon.draining || this.#drainMark !== undefined;
	}

	/** Builds on it and on their way to it. */
	get builds(): number {
		return this.active + this.dials.size;
	}

	/** Whether builds are served by it, and new ones may be. */
	get serves(): boolean {
		return !this.draining && this.reachability.t === "answering";
	}

	/** Whether one more build may be sent to it now. */
	hasRoom(capacity: number): boolean {
		const untried = !this.draining && this.reachability.t === "unknown";
		return (untried || this.serves) && this.builds < capacity;
	}

	/**
	 * Leaves the daemon alone for a while, longer after each failure in a row, and for no less than `heldMs`: for so long
	 * it kept a build that others might have served; undefined when it did not even accept. `retry` is called when it is over.
	 */
	avoid(error: ScalerError, heldMs: number | undefined, clock: Clock, retry: () => void): void {
		this.lastFailure = error.message;
		if (this.reachability.t === "avoided") return;
		const failures = this.reachability.t === "answering" ? 1 : this.reachability.failures + 1;
		const timer: Timer = clock.after(Math.max(avoidMs(failures, heldMs !== undefined), heldMs ?? 0), () => {
			this.reachability = { t: "unknown", failures };
			retry();
		});
		this.reachability = { t: "avoided", failures, timer };
	}

	/** It sent its first frame to a build. */
	answered(): void {
		if (this.reachability.t === "avoided") this.reachability.timer.cancel();
		this.reachability = { t: "answering" };
	}

	/** The try came to no verdict: the client left, or nobody waited any more. */
	untried(): void {
		if (this.reachability.t === "trying") {
			this.reachability = { t: "unknown", failures: this.reachability.failures };
		}
	}

	/** Gives it no new builds for `drainMarkMs` from now, when `expired` is called. True when it was not marked before. */
	markDraining(clock: Clock, expired: () => void): boolean {
		const isNew = this.#drainMark === undefined;
		this.#drainMark?.cancel();
		this.#drainMark = clock.after(drainMarkMs, () => {
			this.#drainMark = undefined;
			expired();
		});
		this.abortDials();
		return isNew;
	}

	/** The one that was to end is gone: this is another one. */
	unmarkDraining(): void {
		this.#drainMark?.cancel();
		this.#drainMark = undefined;
	}

	/** Forgets what was learned; for a daemon that moved or went away. */
	forget(): void {
		this.unmarkDraining();
		if (this.reachability.t === "avoided") this.reachability.timer.cancel();
		this.reachability = { t: "unknown", failures: 0 };
		this.lastFailure = undefined;
		this.abortDials();
	}

	/** Nothing that is on its way arrives any more. */
	abortDials(): void {
		for (const dial of [...this.dials]) dial.abort();
		this.untried();
	}
}
