import type { Readiness } from "../common/admin.ts";

/** Where a daemon listens: TCP, or a unix socket for a daemon on the same machine. */
export type DaemonAddress =
	| { readonly t: "tcp"; readonly host: string; readonly port: number }
	| { readonly t: "unix"; readonly path: string };

/** HOST:PORT, [IPV6]:PORT or unix:PATH. */
export function formatAddress(address: DaemonAddress): string {
	if (address.t === "unix") return `unix:${address.path}`;
	return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** One buildkitd, as its source knows it. */
export interface Daemon {
	/** Unique in its pool and stable over restarts: a pod's name, or the address. */
	readonly name: string;
	readonly address: DaemonAddress;
	/** The StatefulSet ordinal; null where daemons have no order. */
	readonly ordinal: number | null;
	/** A draining (or terminating) daemon gets no new builds. */
	readonly draining: boolean;
}

/** Tells a pool which daemons exist. A daemon may be listed before it listens: the pool dials it eagerly. */
export interface DaemonSource {
	readonly daemons: readonly Daemon[];
	/** Called after each change of `daemons`. Returns the function that stops it. */
	onChange(listener: () => void): () => void;
	/** Whether `daemons` is known by now; a source without it always knows. */
	ready?(): Readiness;
	/** Told whether a build waits for a daemon; often, and mostly what it knows already. */
	hurry?(waiting: boolean): void;
	/** Why whoever starts daemons does not, in words for the user of a build that waits. */
	whyNone?(): string | undefined;
}
