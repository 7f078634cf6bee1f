import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { DiscoveryAges } from "./discovery-metrics.ts";

test("each pool's view has an age for as long as the pool has that view", async () => {
	const registry = new Registry();
	const ages = new DiscoveryAges(registry);
	const shown = async () => {
		const metric = await registry.getSingleMetric("buildkit_proxy_discovery_age_seconds")?.get();
		return metric?.values.map(({ labels, value }) => [labels["pool"], value]);
	};
	const forgetA = ages.watch({ namespace: "n", pool: "a" }, { ageMs: 1_000 });
	ages.watch({ namespace: "n", pool: "b" }, { ageMs: 2_000 });
	expect(await shown()).toEqual([
		["a", 1],
		["b", 2],
	]);
	// A reload: the new view is opened before the old one is closed.
	ages.watch({ namespace: "n", pool: "a" }, { ageMs: 500 });
	forgetA();
	expect(await shown()).toEqual([
		["b", 2],
		["a", 0.5],
	]);
});
