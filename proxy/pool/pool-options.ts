import type { Connection } from "../connection/connection.ts";
import type { Limits } from "../limits.ts";
import type { FairQueueOptions } from "../queue/fair-queue.ts";
import { type FairBy, tenantOf } from "../queue/origin-key.ts";
import type { Connect } from "../tls/connect.ts";
import type { DialerOptions } from "./dialer.ts";

export interface PoolOptions extends Omit<DialerOptions, "connect" | "connectMs"> {
	/** This proxy's id and start time (ms since 1970), for snapshots. */
	readonly proxy: string;
	readonly incarnation: number;
	/** HOST:PORT where its snapshots can be read when the bus fails. */
	readonly admin: string | undefined;
	readonly namespace: string;
	readonly name: string;
	/** What tells the tenants that take turns in the queue. */
	readonly fairBy: FairBy;
	/** Builds of one tenant that may be on daemons at once; undefined is no limit. */
	readonly maxPerTenant: number | undefined;
	readonly maxWaitMs: number;
	/** Whether a question about the pool wakes it as a build does. */
	readonly wakeOnStatus: boolean;
	readonly limits: Limits;
}

export function dialerOptions(options: PoolOptions, connect: Connect): DialerOptions {
	const { capacity, balance, affinityBy, limits } = options;
	return { capacity, balance, affinityBy, connect, connectMs: limits.connectMs };
}

export function queueOptions({ fairBy, maxPerTenant }: PoolOptions): FairQueueOptions<Connection> {
	return {
		tenantOf: ({ origin }) => tenantOf(origin, fairBy),
		maxPerTenant: maxPerTenant ?? Number.POSITIVE_INFINITY,
	};
}
