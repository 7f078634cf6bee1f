import { readFileSync } from "node:fs";
import { Registry } from "prom-client";
import { expect, onTestFinished, test } from "vitest";
import { createLogger } from "../../common/log.ts";
import { invalidEvents } from "../../events/invalid-events.ts";
import { HeldBudget } from "../../proxy/connection/held-bytes.ts";
import { DiscoveryAges } from "../../proxy/discovery/discovery-metrics.ts";
import { defaultLimits } from "../../proxy/limits.ts";
import { eventCounter } from "../../proxy/observe/event-metrics.ts";
import { ProxyMetrics } from "../../proxy/observe/metrics.ts";
import { Traces } from "../../proxy/observe/traces.ts";
import { ScalerMetrics } from "../../scaler/metrics.ts";
import { StandaloneMetrics } from "../../standalone/standalone-metrics.ts";
import { ManualClock } from "../helpers/manual-clock.ts";

function cells(file: string): string[][] {
	const text = readFileSync(new URL(`../../docs/${file}`, import.meta.url), "utf8");
	const [table = ""] = text.split("\n## ");
	const rows = table.split("\n").filter((line) => line.startsWith("|"));
	return rows.slice(2).map((row) =>
		row
			.split("|")
			.slice(1, -1)
			.map((cell) => cell.trim()),
	);
}

test("docs/metrics.md has exactly the metrics there are, with their types and labels", async () => {
	const registry = new Registry();
	new ProxyMetrics(
		registry,
		() => [],
		() => [],
		new HeldBudget(0),
	);
	eventCounter(registry);
	new DiscoveryAges(registry);
	const traces = new Traces({ endpoint: "http://127.0.0.1:1", instance: "p" }, new ManualClock(), registry);
	onTestFinished(() => traces.close());
	const ends = { keda: undefined, daemons: undefined };
	new ScalerMetrics(
		registry,
		() => ({ bus: { t: "connected" }, pools: [] }),
		() => ends,
	);
	const pool = { namespace: "default", pool: "default" };
	new StandaloneMetrics(registry, pool, { leads: () => true, replicas: () => 1 });
	const log = createLogger("silent");
	for (const part of ["proxy", "scaler"] as const)
		invalidEvents(part, { clock: new ManualClock(), log, registry });
	const there = (await registry.getMetricsAsJSON()).map(({ name, type }) => {
		const metric = registry.getSingleMetric(name);
		const labelNames = metric !== undefined && "labelNames" in metric ? metric.labelNames : [];
		return [name, String(type), [labelNames].flat().join(", ")];
	});
	const documented = cells("metrics.md").map((row) => row.slice(0, 3));
	expect(documented.toSorted()).toEqual(there.toSorted());
});

test("docs/limits.md has exactly the limits there are", () => {
	const documented = cells("limits.md").flatMap(([names = ""]) => names.split(", "));
	expect(documented).toEqual(Object.keys(defaultLimits));
});
