import { Counter, type Registry } from "prom-client";
import type { PoolEvent } from "../../events/schema.ts";
import type { PublishOutcome } from "../../events/subject-bus.ts";

/** Counts what became of each event that this proxy published. */
export function eventCounter(registry: Registry): (event: PoolEvent, outcome: PublishOutcome) => void {
	const counter = new Counter({
		name: "buildkit_proxy_events_total",
		help: "Events, by what became of them: sent, disconnected (NATS was away), refused (it did not take them)",
		labelNames: ["namespace", "pool", "outcome"],
		registers: [registry],
	});
	return ({ namespace, pool }, outcome) => counter.inc({ namespace, pool, outcome });
}
