import { Counter, Gauge, type Registry } from "prom-client";
import type { PoolName } from "../events/schema.ts";

/** Prometheus metrics of the part of a standalone replica that scales. */
export class StandaloneMetrics {
	readonly #writes: Counter<"direction" | "outcome">;

	/** Asked at each scrape. `replicas`: undefined while this replica does not lead. */
	constructor(
		registry: Registry,
		pool: PoolName,
		read: { readonly leads: () => boolean; readonly replicas: () => number | undefined },
	) {
		const registers = [registry];
		this.#writes = new Counter({
			name: "buildkit_standalone_writes_total",
			help: "Attempts to set the replicas, up or down: scaled, conflict (somebody else wrote first) or failed",
			labelNames: ["direction", "outcome"],
			registers,
		});
		new Gauge({
			name: "buildkit_standalone_leader",
			help: "1 while this replica scales",
			registers,
			collect() {
				this.set(read.leads() ? 1 : 0);
			},
		});
		new Gauge({
			name: "buildkit_standalone_replicas",
			help: "Daemons that are wanted, as this replica last read or set; nothing while it does not lead",
			labelNames: ["namespace", "pool"],
			registers,
			collect() {
				this.reset();
				const replicas = read.replicas();
				if (replicas !== undefined) this.set({ ...pool }, replicas);
			},
		});
	}

	written(direction: "up" | "down", outcome: "scaled" | "conflict" | "failed"): void {
		this.#writes.inc({ direction, outcome });
	}
}
