import type { CloseReason } from "../events/schema.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionStateName } from "./connection-state.ts";

/** A connection's change of state, for metrics, logs and whoever watches. */
export interface ConnectionMove {
	readonly id: string;
	/** The client's address and port. */
	readonly client: string;
	readonly state: ConnectionStateName;
	/** `Clock.now` in ms. */
	readonly at: number;
	/** Set while a daemon is assigned. */
	readonly daemon?: string;
	/** Set in `failing` and `closed`. */
	readonly reason?: CloseReason;
}

export function describeMove({ id, client, state }: Connection, at: number): ConnectionMove {
	switch (state.t) {
		case "opening":
		case "waiting":
			return { id, client, state: state.t, at };
		case "dialing":
		case "live":
			return { id, client, state: state.t, at, daemon: state.daemon.name };
		case "failing":
		case "closed":
			return { id, client, state: state.t, at, reason: state.reason };
	}
}
