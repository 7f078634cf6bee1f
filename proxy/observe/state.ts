import type { Pool } from "../pool/pool.ts";

/** What GET /state of a proxy answers; ages in ms. */
export interface ProxyState {
	readonly proxy: string;
	readonly incarnation: number;
	readonly pools: readonly PoolState[];
}

interface PoolState {
	readonly namespace: string;
	readonly pool: string;
	readonly capacity: number;
	readonly waiting: number;
	/** While somebody waits: why no daemon takes a build, in the words that its user would read. */
	readonly why: string | null;
	readonly daemons: readonly {
		readonly name: string;
		readonly ordinal: number | null;
		readonly reachability: string;
		readonly draining: boolean;
		readonly active: number;
		readonly idle: number;
	}[];
	readonly connections: readonly {
		readonly id: string;
		readonly client: string;
		readonly state: string;
		readonly ageMs: number;
		readonly daemon: string | null;
		/** Null unless it waits in the queue. */
		readonly waiting: WaitingState | null;
		readonly bytesFromClient: number;
		readonly bytesFromDaemon: number;
	}[];
}

interface WaitingState {
	/** 1 is next; null while its tenant has as many builds on daemons as it may have. */
	readonly position: number | null;
	readonly tenant: string;
	/** Since its first request. */
	readonly ageMs: number;
}

export function poolState(pool: Pool, now: number): PoolState {
	const positions = new Map([...pool.queue.inTurn()].map((connection, at) => [connection, at + 1]));
	const first = pool.queue.next() ?? pool.queue.oldest();
	const { namespace, name, capacity } = pool.options;
	return {
		namespace,
		pool: name,
		capacity,
		waiting: pool.waiting,
		why: first === undefined ? null : pool.whyWaiting(first),
		daemons: [...pool.daemons].map(([daemonName, { daemon, reachability, draining, active, idle }]) => ({
			name: daemonName,
			ordinal: daemon.ordinal,
			reachability: reachability.t,
			draining,
			active,
			idle: idle.size,
		})),
		connections: [...pool.connections].map((connection) => ({
			id: connection.id,
			client: connection.client,
			state: connection.state.t,
			ageMs: Math.round(now - connection.acceptedAt),
			daemon: "daemon" in connection.state ? connection.state.daemon.name : null,
			waiting: !pool.queue.has(connection)
				? null
				: {
						position: positions.get(connection) ?? null,
						tenant: pool.queue.tenantOf(connection),
						ageMs: Math.round(now - connection.openedAt),
					},
			bytesFromClient: connection.bytesFromClient,
			bytesFromDaemon: connection.bytesFromDaemon,
		})),
	};
}
