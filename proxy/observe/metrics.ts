import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { CloseReason } from "../../events/schema.ts";
import type { ConnectionStateName } from "../connection/connection-state.ts";
import type { HeldBudget } from "../connection/held-bytes.ts";
import { type ConnectionMove, endsBuild, type MovedBuild } from "../connection/move.ts";
import { waitPhases } from "../connection/wait-phases.ts";
import type { Pool } from "../pool/pool.ts";
import { processRelay } from "../relay/relay.ts";
import type { Certificate } from "../served-pool.ts";
import { buildResult } from "./build-result.ts";

const pool = ["namespace", "pool"] as const;
const waitBuckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900];
/** A dial or a first byte takes less than a millisecond on a good day. */
const phaseBuckets = [0.001, ...waitBuckets];
const openStates: readonly ConnectionStateName[] = ["opening", "waiting", "dialing", "live", "failing"];

/** Prometheus metrics of all pools of a proxy. Labels are bounded: states, phases and reasons are closed sets. */
export class ProxyMetrics {
	readonly #closed: Counter<"namespace" | "pool" | "reason">;
	readonly #builds: Counter<"namespace" | "pool" | "result">;
	readonly #waitSeconds: Histogram<"namespace" | "pool">;
	readonly #phaseSeconds: Histogram<"namespace" | "pool" | "phase">;
	/** Of connections that are closed. */
	readonly #closedBytes = new WeakMap<Pool, { fromClient: number; fromDaemon: number }>();

	/** `pools` says which there are now. */
	constructor(
		registry: Registry,
		pools: () => Iterable<Pool>,
		certificates: () => Iterable<Certificate>,
		held: HeldBudget,
	) {
		const registers = [registry];
		const bytesOf = (observed: Pool) => this.#bytesOf(observed);
		this.#closed = new Counter({
			name: "buildkit_proxy_connections_closed_total",
			help: "Connections that ended, by reason (docs/errors.md); without a pool's name when none was found for it",
			labelNames: [...pool, "reason"],
			registers,
		});
		this.#waitSeconds = new Histogram({
			name: "buildkit_proxy_wait_seconds",
			help: "From a build's first request to its daemon's first frame",
			labelNames: pool,
			buckets: waitBuckets,
			registers,
		});
		this.#phaseSeconds = new Histogram({
			name: "buildkit_proxy_wait_phase_seconds",
			help: "The phases of that wait: wake (where there was one), queue, dial, firstByte",
			labelNames: [...pool, "phase"],
			buckets: phaseBuckets,
			registers,
		});
		this.#builds = new Counter({
			name: "buildkit_proxy_builds_total",
			help: "Builds that ended, by result: completed, broken, abandoned, refused",
			labelNames: [...pool, "result"],
			registers,
		});
		new Gauge({
			name: "buildkit_proxy_held_bytes",
			help: "Memory that holds what waiting clients have sent",
			registers,
			collect() {
				this.set(held.takenBytes);
			},
		});
		new Gauge({
			name: "buildkit_proxy_relayed_connections",
			help: "Live connections whose bytes the relay's thread passes on",
			registers,
			collect() {
				this.set(processRelay()?.connections ?? 0);
			},
		});
		new Gauge({
			name: "buildkit_proxy_certificate_expires_seconds",
			help: "When the certificate that clients or daemons are shown ends, in seconds since 1970",
			labelNames: [...pool, "side"],
			registers,
			collect() {
				this.reset();
				for (const { pool: of, side, expiresAt } of certificates()) {
					this.set({ ...labelsOf(of), side }, expiresAt / 1_000);
				}
			},
		});
		new Counter({
			name: "buildkit_proxy_bytes_total",
			help: "Bytes read, by direction: fromClient, fromDaemon",
			labelNames: [...pool, "direction"],
			registers,
			collect() {
				this.reset();
				for (const observed of pools()) {
					const labels = labelsOf(observed);
					const { fromClient, fromDaemon } = bytesOf(observed);
					this.inc({ ...labels, direction: "fromClient" }, fromClient);
					this.inc({ ...labels, direction: "fromDaemon" }, fromDaemon);
				}
			},
		});
		new Gauge({
			name: "buildkit_proxy_connections",
			help: "Connections by state of their life (docs/architecture.md)",
			labelNames: [...pool, "state"],
			registers,
			collect() {
				this.reset();
				for (const observed of pools()) {
					const counts = new Map<string, number>();
					for (const { state } of observed.connections) counts.set(state.t, (counts.get(state.t) ?? 0) + 1);
					const labels = labelsOf(observed);
					for (const state of openStates) this.set({ ...labels, state }, counts.get(state) ?? 0);
				}
			},
		});
		new Gauge({
			name: "buildkit_proxy_builds",
			help: "Builds: waiting for a daemon, active on one; idle counts silent connections",
			labelNames: [...pool, "state"],
			registers,
			collect() {
				this.reset();
				for (const observed of pools()) {
					const labels = labelsOf(observed);
					let active = 0;
					let idle = 0;
					for (const entry of observed.daemons.values()) {
						active += entry.active;
						idle += entry.idle.size;
					}
					this.set({ ...labels, state: "waiting" }, observed.waiting);
					this.set({ ...labels, state: "active" }, active);
					this.set({ ...labels, state: "idle" }, idle);
				}
			},
		});
	}

	/** Counts what happens in a pool from now on. */
	observe(observed: Pool): void {
		const closedBytes = { fromClient: 0, fromDaemon: 0 };
		this.#closedBytes.set(observed, closedBytes);
		observed.onMove((move) => {
			this.#moved(move, labelsOf(observed));
			if (move.state !== "closed") return;
			closedBytes.fromClient += move.bytesFromClient;
			closedBytes.fromDaemon += move.bytesFromDaemon;
		});
	}

	/** A client that never became a connection of a pool; `of` is the pool that it wanted, if that is known. */
	turnedAway(reason: CloseReason, of: Pool | undefined): void {
		const labels = of === undefined ? { namespace: "", pool: "" } : labelsOf(of);
		this.#closed.inc({ ...labels, reason });
	}

	#moved(move: ConnectionMove, labels: ReturnType<typeof labelsOf>): void {
		const { state, reason = "clientGone", build } = move;
		if (state === "live" && build !== undefined) this.#served(build, labels);
		if (build?.purpose === "build" && endsBuild(move)) {
			this.#builds.inc({ ...labels, result: buildResult(reason, build.servedAt !== undefined) });
		}
		if (state === "closed") this.#closed.inc({ ...labels, reason });
	}

	#served({ wait }: MovedBuild, labels: ReturnType<typeof labelsOf>): void {
		let totalMs = 0;
		for (const phase of waitPhases) {
			totalMs += wait[phase];
			if (phase === "wake" && wait.wake === 0) continue;
			this.#phaseSeconds.observe({ ...labels, phase }, wait[phase] / 1_000);
		}
		this.#waitSeconds.observe(labels, totalMs / 1_000);
	}

	#bytesOf(observed: Pool): { fromClient: number; fromDaemon: number } {
		let { fromClient, fromDaemon } = this.#closedBytes.get(observed) ?? { fromClient: 0, fromDaemon: 0 };
		for (const connection of observed.connections) {
			fromClient += connection.bytesFromClient;
			fromDaemon += connection.bytesFromDaemon;
		}
		return { fromClient, fromDaemon };
	}
}

export function labelsOf({ options: { namespace, name } }: Pool): { namespace: string; pool: string } {
	return { namespace, pool: name };
}
