import net from "node:net";
import type { Registry } from "prom-client";
import type { Clock } from "../common/clock.ts";
import { listen } from "../common/listen.ts";
import type { Logger } from "../common/log.ts";
import type { Bus } from "../events/bus.ts";
import type { CloseReason } from "../events/schema.ts";
import type { PolicyName } from "./balance.ts";
import type { ConnectionStateName } from "./connection-state.ts";
import type { DaemonSource } from "./daemon.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { PoolMetrics } from "./metrics.ts";
import type { ConnectionMove } from "./move.ts";
import { Pool } from "./pool.ts";
import { type ProxyState, proxyState } from "./state.ts";
import { Wire } from "./wire.ts";

export interface ProxyOptions {
	/** Unique among proxies and the same after a restart; default: the host's name and the port. */
	readonly id: string;
	readonly namespace: string;
	readonly pool: string;
	readonly listen: { readonly host: string; readonly port: number };
	/** Builds a daemon takes at once. */
	readonly capacity: number;
	readonly balance: PolicyName;
	readonly maxWaitMs: number;
	/** Whether a question about the pool wakes it as a build does. */
	readonly wakeOnStatus: boolean;
	/** How long `drain` waits for builds to end. */
	readonly drainTimeoutMs: number;
	readonly limits?: Partial<Limits>;
}

export interface ProxyDeps {
	readonly source: DaemonSource;
	readonly bus: Bus;
	readonly clock: Clock;
	readonly log: Logger;
	readonly registry: Registry;
}

export interface RunningProxy {
	readonly listening: { readonly host: string; readonly port: number };
	ready(): { readonly ok: boolean; readonly reason?: string };
	state(): ProxyState;
	onMove(listener: (move: ConnectionMove) => void): () => void;
	/** Resolves when no build is on the daemon and none is on its way to it. */
	whenUnused(daemonName: string): Promise<void>;
	/** Takes no new clients, lets every build end (at most `drainTimeoutMs`), says `proxy.stopped`. */
	drain(): Promise<void>;
	/** Ends everything at once. */
	close(): Promise<void>;
}

/** Starts a proxy for one pool. Throws LISTEN_FAILED. */
export async function startProxy(options: ProxyOptions, deps: ProxyDeps): Promise<RunningProxy> {
	const { bus, clock, log, registry, source } = deps;
	const limits: Limits = { ...defaultLimits, ...options.limits };
	// The kernel queues clients that arrive faster than we accept; its own limit (somaxconn) still applies.
	const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true });
	const listening = await listen(server, { ...options.listen, backlog: 4_096 });
	const pool = new Pool(
		{
			proxy: options.id,
			incarnation: clock.wallTime(),
			namespace: options.namespace,
			name: options.pool,
			capacity: options.capacity,
			balance: options.balance,
			maxWaitMs: options.maxWaitMs,
			wakeOnStatus: options.wakeOnStatus,
			limits,
		},
		{ source, bus, clock, log },
	);
	const metrics = new PoolMetrics(registry, pool);
	logMoves(pool, log);
	server.on("connection", (socket) => {
		if (pool.connections.size >= limits.maxConnections) {
			metrics.turnedAway();
			socket.destroy();
			return;
		}
		pool.accept(Wire.accepted(socket));
	});
	server.on("error", (error) => log.error({ error: error.message }, "accept failed"));

	let draining = false;
	let closed = false;
	const close = async () => {
		if (closed) return;
		closed = true;
		server.close();
		pool.close();
	};
	return {
		listening,
		ready() {
			if (draining || closed) return { ok: false, reason: "draining" };
			if (bus.status.t === "disconnected") return { ok: false, reason: bus.status.reason };
			return source.ready?.() ?? { ok: true };
		},
		state: () => proxyState(pool, clock.now()),
		onMove: (listener) => pool.onMove(listener),
		whenUnused: (daemonName) => pool.whenUnused(daemonName),
		async drain() {
			// 1. Readiness fails, so that nobody is sent here any more.
			draining = true;
			// 2. No new clients.
			server.close();
			// 3. Builds end by themselves, those that wait are served first.
			let giveUp: () => void = () => {};
			const timedOut = new Promise<void>((resolve) => {
				giveUp = resolve;
			});
			const timer = clock.after(options.drainTimeoutMs, giveUp);
			await Promise.race([pool.drain(), timedOut]);
			timer.cancel();
			// 4. What is left is silent, or out of time.
			await close();
		},
		close,
	};
}

/** A client that is told why it fails is worth a warning, unless it was no build. */
function logLevel(state: ConnectionStateName, reason: CloseReason | undefined): "warn" | "info" | "debug" {
	if (state === "failing") return reason === "noBuild" || reason === "noWake" ? "debug" : "warn";
	return state === "waiting" || state === "live" ? "info" : "debug";
}

function logMoves(pool: Pool, log: Logger): void {
	pool.onMove(({ id, client, state, daemon, reason }) => {
		if (state === "opening") return;
		log[logLevel(state, reason)]({ connection: id, client, daemon, reason }, `connection ${state}`);
	});
}
