import { status } from "@grpc/grpc-js";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Rpc } from "./handlers.ts";
import type { Recorded } from "./ledger.ts";
import type { Pushed } from "./push.ts";
import type { ScalerPoolState, ScalerState } from "./state.ts";

const poolLabels = ["namespace", "pool"] as const;

/** Prometheus metrics of a scaler. Labels are closed sets, or pools of its bounded memory. */
export class ScalerMetrics {
	readonly #rpcs: Counter<"method" | "code">;
	readonly #rpcSeconds: Histogram<"method">;
	readonly #pushes: Counter<"outcome">;
	readonly #events: Counter<"outcome">;

	/** `state` is asked at each scrape, so a pool that is gone leaves no label set behind. */
	constructor(registry: Registry, state: () => ScalerState) {
		const registers = [registry];
		this.#rpcs = new Counter({
			name: "buildkit_scaler_rpcs_total",
			help: "Calls of KEDA that ended, by method and gRPC status",
			labelNames: ["method", "code"],
			registers,
		});
		this.#rpcSeconds = new Histogram({
			name: "buildkit_scaler_rpc_duration_seconds",
			help: "Time to answer a unary call",
			labelNames: ["method"],
			buckets: [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1],
			registers,
		});
		this.#pushes = new Counter({
			name: "buildkit_scaler_pushes_total",
			help: "Wake-ups pushed to KEDA: sent, or coalesced with one the stream had not delivered yet",
			labelNames: ["outcome"],
			registers,
		});
		this.#events = new Counter({
			name: "buildkit_scaler_events_total",
			help: "Events of proxies: applied, outdated (repeated or overtaken) or refused (no room)",
			labelNames: ["outcome"],
			registers,
		});
		new Gauge({
			name: "buildkit_scaler_bus_connected",
			help: "1 while events reach this scaler",
			registers,
			collect() {
				this.set(state().bus.t === "connected" ? 1 : 0);
			},
		});
		poolGauge("streams", "Open StreamIsActive calls", ({ streams }) => streams);
		// Nothing at all while demand is unknown: a 0 would be a lie, and an old value too.
		poolGauge("waiting_builds", "Builds without a daemon", ({ demand }) =>
			demand.t === "known" ? demand.waiting : undefined,
		);
		poolGauge("active_builds", "Builds on a daemon", ({ demand }) =>
			demand.t === "known" ? demand.active : undefined,
		);
		poolGauge(
			"metric_value",
			"What KEDA is told to divide by the pool's capacity",
			({ metric }) => metric?.value,
		);
		poolGauge("demand_known", "1 while the demand is known", ({ demand }) => (demand.t === "known" ? 1 : 0));
		poolGauge("snapshot_age_seconds", "Age of the oldest last word of a proxy", ({ proxies }) =>
			proxies.length === 0 ? undefined : Math.max(...proxies.map(({ ageMs }) => ageMs)) / 1000,
		);

		function poolGauge(
			name: string,
			help: string,
			read: (pool: ScalerPoolState) => number | undefined,
		): void {
			new Gauge({
				name: `buildkit_scaler_pool_${name}`,
				help,
				labelNames: poolLabels,
				registers,
				collect() {
					this.reset();
					for (const pool of state().pools) {
						const value = read(pool);
						if (value !== undefined) this.set({ namespace: pool.namespace, pool: pool.pool }, value);
					}
				},
			});
		}
	}

	rpcEnded(method: Rpc, code: status, durationMs?: number): void {
		this.#rpcs.inc({ method, code: status[code] });
		if (durationMs !== undefined) this.#rpcSeconds.observe({ method }, durationMs / 1000);
	}

	pushed(outcome: Pushed): void {
		this.#pushes.inc({ outcome });
	}

	eventRecorded(outcome: Recorded): void {
		this.#events.inc({ outcome });
	}
}

/** Counts messages a bus dropped; for `NatsBusOptions.onInvalid`. */
export function invalidEventCounter(registry: Registry): () => void {
	const counter = new Counter({
		name: "buildkit_scaler_invalid_events_total",
		help: "Messages that were not events",
		registers: [registry],
	});
	return () => counter.inc();
}
