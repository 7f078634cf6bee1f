import type { Snapshot } from "../events/schema.ts";

/** A daemon that a pool's proxies know, up or not. */
export interface KnownDaemon {
	readonly name: string;
	/** The StatefulSet ordinal; null where daemons have no order. */
	readonly ordinal: number | null;
	/** As grpc-js takes it: HOST:PORT or unix:PATH. */
	readonly address: string;
}

/** What one proxy says of it. */
export interface ReportedDaemon extends KnownDaemon {
	/** Builds that the proxy has on it. */
	readonly active: number;
	/** Whether the proxy gives it no new ones. */
	readonly draining: boolean;
}

/** Those of a snapshot whose address it tells. */
export function reportedDaemons({ daemons }: Snapshot): readonly ReportedDaemon[] {
	return daemons.flatMap(({ name, ordinal, address, active, draining }) =>
		address === undefined ? [] : [{ name, ordinal, address, active, draining }],
	);
}
