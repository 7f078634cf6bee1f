import type { CloseReason } from "../../events/schema.ts";
import type { Purpose } from "../hold/first-request.ts";
import type { TraceParent } from "../hold/trace-parent.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionState, ConnectionStateName } from "./connection-state.ts";
import type { Origin } from "./origin.ts";
import type { WaitTimes } from "./wait-phases.ts";

/** A connection's change of state, for metrics, logs, traces and whoever watches. */
export interface ConnectionMove {
	readonly id: string;
	/** The client's address and port. */
	readonly client: string;
	readonly origin: Origin;
	/** Undefined when it was just accepted. */
	readonly from: ConnectionStateName | undefined;
	readonly state: ConnectionStateName;
	/** `Clock.now` in ms. */
	readonly at: number;
	/** The daemon it is, or was, assigned to. */
	readonly daemon?: string;
	/** Set in `failing` and `closed`. */
	readonly reason?: CloseReason;
	/** Set with some reasons: what exactly was wrong, or what the client was told. */
	readonly message?: string;
	/** Set from the first request on, for what wants a daemon. */
	readonly build?: MovedBuild;
	readonly bytesFromClient: number;
	readonly bytesFromDaemon: number;
}

export interface MovedBuild {
	readonly purpose: Purpose;
	readonly openedAt: number;
	/** When a daemon answered, or undefined while and if none has. */
	readonly servedAt: number | undefined;
	/** How the wait was spent, so far or in all. */
	readonly wait: WaitTimes;
	/** The trace that the client's first request belongs to (W3C `traceparent`). */
	readonly traceParent: TraceParent | undefined;
}

/** Whether a build leaves with this move: it is told why it gets no daemon, or its connection ends before that. */
export function endsBuild({ from, state }: ConnectionMove): boolean {
	return state === "failing" || (state === "closed" && from !== "failing");
}

export function describeMove(
	connection: Connection,
	from: ConnectionState | undefined,
	at: number,
): ConnectionMove {
	const { id, client, origin, state, bytesFromClient, bytesFromDaemon } = connection;
	const daemon = daemonOf(state) ?? (from === undefined ? undefined : daemonOf(from));
	const build = describeBuild(connection, at);
	return {
		id,
		client,
		origin,
		from: from?.t,
		state: state.t,
		at,
		...(daemon === undefined ? {} : { daemon }),
		...("reason" in state ? { reason: state.reason } : {}),
		...("message" in state && state.message !== undefined ? { message: state.message } : {}),
		...(build === undefined ? {} : { build }),
		bytesFromClient,
		bytesFromDaemon,
	};
}

function daemonOf(state: ConnectionState): string | undefined {
	return "daemon" in state ? state.daemon.name : undefined;
}

function describeBuild(
	{ purpose, openedAt, servedAt, wait, traceParent }: Connection,
	at: number,
): MovedBuild | undefined {
	if (purpose === undefined || wait === undefined) return undefined;
	return { purpose, openedAt, servedAt, wait: wait.times(servedAt ?? at), traceParent };
}
