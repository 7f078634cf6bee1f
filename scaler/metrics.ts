import { status } from "@grpc/grpc-js";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Raised } from "./burst/raise.ts";
import type { DrainAnswer } from "./drain/drains.ts";
import type { Rpc } from "./handlers.ts";
import type { Recorded } from "./ledger.ts";
import type { Pushed } from "./push.ts";
import type { ScalerPoolState, ScalerState } from "./state.ts";
import type { DaemonWord } from "./verify/daemon-word.ts";

const poolLabels = ["namespace", "pool"] as const;

/** When our own certificates end, in ms since 1970; undefined without one. */
export interface CertificateEnds {
	readonly keda: number | undefined;
	readonly daemons: number | undefined;
}

/** Prometheus metrics of a scaler. Labels are closed sets, or pools and proxies of its bounded memory. */
export class ScalerMetrics {
	readonly #rpcs: Counter<"method" | "code">;
	readonly #rpcSeconds: Histogram<"method" | "code">;
	readonly #pushes: Counter<"outcome">;
	readonly #events: Counter<"outcome">;
	readonly #asked: Counter<"answer">;
	readonly #reads: Counter<"outcome">;
	readonly #drains: Counter<"answer">;
	readonly #bursts: Counter<"outcome">;

	/** `state` and `certificates` are asked at each scrape, so a pool that is gone leaves no label set behind. */
	constructor(registry: Registry, state: () => ScalerState, certificates: () => CertificateEnds) {
		const registers = [registry];
		this.#rpcs = new Counter({
			name: "buildkit_scaler_rpcs_total",
			help: "Calls of KEDA that ended, by method and gRPC status",
			labelNames: ["method", "code"],
			registers,
		});
		this.#rpcSeconds = new Histogram({
			name: "buildkit_scaler_rpc_duration_seconds",
			help: "Time to answer a unary call, by method and gRPC status",
			labelNames: ["method", "code"],
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
			help: "Events of proxies: applied, twin (applied, of a second process with the same id), outdated (repeated or overtaken) or refused (no room)",
			labelNames: ["outcome"],
			registers,
		});
		this.#reads = new Counter({
			name: "buildkit_scaler_proxy_reads_total",
			help: "Snapshots read over HTTP from proxies that were silent on the bus: read or failed",
			labelNames: ["outcome"],
			registers,
		});
		this.#asked = new Counter({
			name: "buildkit_scaler_daemons_asked_total",
			help: "Daemons asked whether they build, before a zero was told, by answer: idle, builds, down or unknown",
			labelNames: ["answer"],
			registers,
		});
		this.#drains = new Counter({
			name: "buildkit_scaler_drain_answers_total",
			help: "Answers to daemons that are to end: drained, busy, unclear or foreign",
			labelNames: ["answer"],
			registers,
		});
		this.#bursts = new Counter({
			name: "buildkit_scaler_burst_assists_total",
			help: "Attempts to have the daemons that a burst needs at once: raised, enough, untouchable or failed",
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
		poolGauge(
			"proxies_list_age_seconds",
			"Age of the list of proxies; below 30 while all is well",
			({ expected }) => (expected === null ? undefined : expected.ageMs / 1000),
		);
		new Gauge({
			name: "buildkit_scaler_proxy_snapshot_age_seconds",
			help: "Age of a proxy's last word",
			labelNames: [...poolLabels, "proxy"],
			registers,
			collect() {
				this.reset();
				for (const { namespace, pool, proxies } of state().pools)
					for (const { proxy, ageMs } of proxies) this.set({ namespace, pool, proxy }, ageMs / 1000);
			},
		});
		new Gauge({
			name: "buildkit_scaler_certificate_expires_seconds",
			help: "When the certificate that KEDA or daemons are shown ends, in seconds since 1970",
			labelNames: ["side"],
			registers,
			collect() {
				this.reset();
				for (const [side, expiresAt] of Object.entries(certificates()))
					if (expiresAt !== undefined) this.set({ side }, expiresAt / 1000);
			},
		});

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
		if (durationMs !== undefined) this.#rpcSeconds.observe({ method, code: status[code] }, durationMs / 1000);
	}

	pushed(outcome: Pushed): void {
		this.#pushes.inc({ outcome });
	}

	proxyRead(outcome: "read" | "failed"): void {
		this.#reads.inc({ outcome });
	}

	daemonAnswered(word: DaemonWord): void {
		this.#asked.inc({ answer: word.t === "builds" && word.count === 0 ? "idle" : word.t });
	}

	drainAnswered(answer: DrainAnswer["t"]): void {
		this.#drains.inc({ answer });
	}

	burstHelped(outcome: Raised["t"] | "failed"): void {
		this.#bursts.inc({ outcome });
	}

	eventRecorded(outcome: Recorded): void {
		this.#events.inc({ outcome });
	}
}
