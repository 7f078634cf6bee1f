import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { ConnectionStateName } from "./connection-state.ts";
import type { ConnectionMove } from "./move.ts";
import type { Pool } from "./pool.ts";

const pool = ["namespace", "pool"] as const;
const openStates: readonly ConnectionStateName[] = ["opening", "waiting", "dialing", "live", "failing"];

/** Prometheus metrics of one pool. Labels are bounded: states and reasons are closed sets. */
export class PoolMetrics {
	readonly #closed: Counter<"namespace" | "pool" | "reason">;
	readonly #waitSeconds: Histogram<"namespace" | "pool">;
	readonly #labels: { readonly namespace: string; readonly pool: string };
	/** When each connection that still waits began to. */
	readonly #waitingSince = new Map<string, number>();

	constructor(registry: Registry, observed: Pool) {
		const { namespace, name } = observed.options;
		const labels = { namespace, pool: name };
		this.#labels = labels;
		const registers = [registry];
		this.#closed = new Counter({
			name: "buildkit_proxy_connections_closed_total",
			help: "Connections that ended, by reason (docs/errors.md)",
			labelNames: [...pool, "reason"],
			registers,
		});
		this.#waitSeconds = new Histogram({
			name: "buildkit_proxy_wait_seconds",
			help: "From a client's preface to its daemon's first byte",
			labelNames: pool,
			buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900],
			registers,
		});
		new Gauge({
			name: "buildkit_proxy_connections",
			help: "Connections by state of their life (docs/architecture.md)",
			labelNames: [...pool, "state"],
			registers,
			collect() {
				const counts = new Map<string, number>();
				for (const { state } of observed.connections) counts.set(state.t, (counts.get(state.t) ?? 0) + 1);
				for (const state of openStates) this.set({ ...labels, state }, counts.get(state) ?? 0);
			},
		});
		new Gauge({
			name: "buildkit_proxy_builds",
			help: "Builds: waiting for a daemon, active on one; idle counts silent connections",
			labelNames: [...pool, "state"],
			registers,
			collect() {
				let active = 0;
				let idle = 0;
				for (const entry of observed.daemons.values()) {
					active += entry.active;
					idle += entry.idle.size;
				}
				this.set({ ...labels, state: "waiting" }, observed.waiting);
				this.set({ ...labels, state: "active" }, active);
				this.set({ ...labels, state: "idle" }, idle);
			},
		});
		observed.onMove((move) => this.#moved(move));
	}

	/** A connection that was closed before it got a life of its own. */
	turnedAway(): void {
		this.#closed.inc({ ...this.#labels, reason: "tooManyConnections" });
	}

	#moved({ id, state, at, reason }: ConnectionMove): void {
		if (state === "waiting" && !this.#waitingSince.has(id)) this.#waitingSince.set(id, at);
		if (state === "live") {
			const since = this.#waitingSince.get(id) ?? at;
			this.#waitSeconds.observe(this.#labels, (at - since) / 1000);
		}
		if (state === "live" || state === "failing" || state === "closed") this.#waitingSince.delete(id);
		if (state === "closed") this.#closed.inc({ ...this.#labels, reason: reason ?? "clientGone" });
	}
}
