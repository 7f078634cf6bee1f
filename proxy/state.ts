import type { Pool } from "./pool.ts";

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
		readonly bytesFromClient: number;
		readonly bytesFromDaemon: number;
	}[];
}

export function proxyState(pool: Pool, now: number): ProxyState {
	const { proxy, incarnation, namespace, name, capacity } = pool.options;
	return {
		proxy,
		incarnation,
		pools: [
			{
				namespace,
				pool: name,
				capacity,
				waiting: pool.waiting,
				daemons: [...pool.daemons].map(([daemonName, { daemon, reachability, active, idle }]) => ({
					name: daemonName,
					ordinal: daemon.ordinal,
					reachability: reachability.t,
					draining: daemon.draining,
					active,
					idle: idle.size,
				})),
				connections: [...pool.connections].map((connection) => ({
					id: connection.id,
					client: connection.client,
					state: connection.state.t,
					ageMs: Math.round(now - connection.acceptedAt),
					daemon: "daemon" in connection.state ? connection.state.daemon.name : null,
					bytesFromClient: connection.bytesFromClient,
					bytesFromDaemon: connection.bytesFromDaemon,
				})),
			},
		],
	};
}
