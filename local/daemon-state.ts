import type { Timer } from "../common/clock.ts";
import { ScalerError } from "../common/error.ts";
import type { DaemonProcess } from "./kinds/kind.ts";

/**
 * The life of one ordinal's daemon, from the moment it is wanted until nothing is left of it.
 *
 *     delayed ──▶ running ◀──▶ draining ──▶ stopping ──▶ killing ──▶ gone
 *                 ▲    │
 *                 └─ backingOff
 *
 * Any state may become `gone`: a process that ended while unwanted, or none that would have to end.
 */
export type DaemonState =
	/** Wanted, on a node that is still being prepared, so to speak (--wake-delay). */
	| { readonly t: "delayed"; readonly timer: Timer }
	/** Its process was started. Whether it listens already is for the proxy to find out. */
	| { readonly t: "running"; readonly process: DaemonProcess; readonly startedAt: number }
	/** Gets no new builds; waits for those it has. */
	| { readonly t: "draining"; readonly process: DaemonProcess; readonly startedAt: number }
	/** Was sent SIGTERM; SIGKILL follows when the timer fires. */
	| { readonly t: "stopping"; readonly process: DaemonProcess; readonly timer: Timer }
	| { readonly t: "killing"; readonly process: DaemonProcess }
	/** Ended by itself, or could not be started; the timer starts it again. */
	| { readonly t: "backingOff"; readonly timer: Timer }
	| { readonly t: "gone" };

export type DaemonStateName = DaemonState["t"];

const legalMoves: Readonly<Record<DaemonStateName, readonly DaemonStateName[]>> = {
	delayed: ["running", "backingOff", "gone"],
	running: ["draining", "stopping", "killing", "backingOff"],
	draining: ["running", "stopping", "killing", "gone"],
	stopping: ["killing", "gone"],
	killing: ["gone"],
	backingOff: ["running", "backingOff", "gone"],
	gone: [],
};

/** Throws INTERNAL for a move that the diagram does not have. */
export function checkDaemonMove(from: DaemonStateName, to: DaemonStateName): void {
	if (!legalMoves[from].includes(to)) {
		throw new ScalerError("INTERNAL", `a daemon cannot move from ${from} to ${to}`);
	}
}
