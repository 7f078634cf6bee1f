import type { Clock, Timer } from "../common/clock.ts";
import type { ScalerError } from "../common/error.ts";
import type { Connection } from "./connection.ts";
import type { Daemon } from "./daemon.ts";
import { avoidMs, type Reachability } from "./reachability.ts";

/** A connect on its way to a daemon. It belongs to the daemon, not to a build: whoever waits longest gets it. */
export interface Dial {
	readonly abort: () => void;
	/** Taking so long that another daemon is tried beside it. */
	slow: boolean;
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

	constructor(daemon: Daemon) {
		this.daemon = daemon;
	}

	get active(): number {
		return this.assigned.size - this.idle.size;
	}

	/** Builds on it and on their way to it. */
	get builds(): number {
		return this.active + this.dials.size;
	}

	/** Whether one more build may be sent to it now. */
	hasRoom(capacity: number): boolean {
		const { t } = this.reachability;
		return (
			this.listed && !this.daemon.draining && (t === "unknown" || t === "answering") && this.builds < capacity
		);
	}

	/** Leaves the daemon alone for a while, longer after each failure in a row; `retry` is called when it is over. */
	avoid(error: ScalerError, clock: Clock, retry: () => void): void {
		this.lastFailure = error.message;
		if (this.reachability.t === "avoided") return;
		const failures = this.reachability.t === "answering" ? 1 : this.reachability.failures + 1;
		const timer: Timer = clock.after(avoidMs(failures), () => {
			this.reachability = { t: "unknown", failures };
			retry();
		});
		this.reachability = { t: "avoided", failures, timer };
	}

	/** The try came to no verdict: the client left, or nobody waited any more. */
	untried(): void {
		if (this.reachability.t === "trying") {
			this.reachability = { t: "unknown", failures: this.reachability.failures };
		}
	}

	/** Forgets what was learned; for a daemon that moved or went away. */
	forget(): void {
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
