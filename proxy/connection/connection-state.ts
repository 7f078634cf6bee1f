import type { Timer } from "../../common/clock.ts";
import { ScalerError } from "../../common/error.ts";
import type { CloseReason } from "../../events/schema.ts";
import type { Wire } from "../wire/wire.ts";

/**
 * The life of one connection. Each state owns what only it needs; leaving a state cancels its timer.
 *
 *     opening ──▶ waiting ◀──▶ dialing ──▶ live ──▶ closed
 *        └───────────┴────────────┴──▶ failing ──────▲
 */
export type ConnectionState =
	/** Accepted; the client has not asked for anything yet. Not a build. */
	| { readonly t: "opening"; readonly timer: Timer }
	/** A build in the queue, held with its connection healthy. */
	| { readonly t: "waiting" }
	/** Assigned: what was held went to the daemon, whose first frame has not come yet. */
	| { readonly t: "dialing"; readonly timer: Timer; readonly daemon: AssignedDaemon }
	/** Bytes move. */
	| { readonly t: "live"; readonly daemon: AssignedDaemon }
	/** Being told why; every stream it opens is answered with the reason. */
	| { readonly t: "failing"; readonly timer: Timer; readonly reason: CloseReason; readonly message: string }
	| { readonly t: "closed"; readonly reason: CloseReason; readonly message?: string };

export type ConnectionStateName = ConnectionState["t"];

export interface AssignedDaemon {
	readonly name: string;
	readonly wire: Wire;
}

const legalMoves: Readonly<Record<ConnectionStateName, readonly ConnectionStateName[]>> = {
	opening: ["waiting", "failing", "closed"],
	waiting: ["dialing", "failing", "closed"],
	dialing: ["live", "waiting", "failing", "closed"],
	live: ["closed"],
	failing: ["closed"],
	closed: [],
};

/** Throws INTERNAL for a move that the diagram does not have. */
export function checkMove(from: ConnectionStateName, to: ConnectionStateName): void {
	if (!legalMoves[from].includes(to)) {
		throw new ScalerError("INTERNAL", `a connection cannot move from ${from} to ${to}`);
	}
}
