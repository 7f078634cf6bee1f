import { status } from "@grpc/grpc-js";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import type { Demand } from "./demand.ts";
import { ScalerMetrics } from "./metrics.ts";
import type { ScalerPoolState, ScalerState } from "./state.ts";

const known: Demand = {
	t: "known",
	waiting: 2,
	active: 3,
	highestBusyOrdinal: 1,
	capacity: 4,
	oldestWaitMs: 0,
	daemons: { staying: 2, replicas: 2, drainingActive: 0, drainingByOrdinal: {} },
};

function pool(parts: Partial<ScalerPoolState>): ScalerPoolState {
	return {
		namespace: "ci",
		pool: "a",
		demand: known,
		metric: { value: 8, target: 4 },
		streams: 1,
		expected: null,
		asked: [],
		proxies: [],
		...parts,
	};
}

function setup() {
	const registry = new Registry();
	let current: ScalerState = { bus: { t: "connected" }, pools: [] };
	const metrics = new ScalerMetrics(
		registry,
		() => current,
		() => ({ keda: 2_000_000, daemons: undefined }),
	);
	const lines = async (next?: ScalerState) => {
		current = next ?? current;
		return (await registry.metrics()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
	};
	return { metrics, lines };
}

test("what happened", async () => {
	const { metrics, lines } = setup();
	metrics.rpcEnded("IsActive", status.OK, 2);
	metrics.rpcEnded("IsActive", status.UNAVAILABLE, 2);
	metrics.rpcEnded("StreamIsActive", status.CANCELLED);
	metrics.pushed("sent");
	metrics.pushed("coalesced");
	metrics.eventRecorded("outdated");
	expect(await lines()).toEqual(
		expect.arrayContaining([
			'buildkit_scaler_rpcs_total{method="IsActive",code="OK"} 1',
			'buildkit_scaler_rpcs_total{method="IsActive",code="UNAVAILABLE"} 1',
			'buildkit_scaler_rpcs_total{method="StreamIsActive",code="CANCELLED"} 1',
			'buildkit_scaler_rpc_duration_seconds_count{method="IsActive",code="OK"} 1',
			'buildkit_scaler_rpc_duration_seconds_count{method="IsActive",code="UNAVAILABLE"} 1',
			'buildkit_scaler_certificate_expires_seconds{side="keda"} 2000',
			'buildkit_scaler_pushes_total{outcome="sent"} 1',
			'buildkit_scaler_pushes_total{outcome="coalesced"} 1',
			'buildkit_scaler_events_total{outcome="outdated"} 1',
			"buildkit_scaler_bus_connected 1",
		]),
	);
});

test("pools, and nothing of those that are gone", async () => {
	const { lines } = setup();
	const proxy = { proxy: "p", incarnation: 1, sequence: 1, stale: false, waiting: 0, active: 0 };
	const proxies = [
		{ ...proxy, ageMs: 1_500 },
		{ ...proxy, proxy: "q", ageMs: 500 },
	];
	const labels = '{namespace="ci",pool="a"}';
	expect(
		await lines({
			bus: { t: "connected" },
			pools: [pool({ proxies, expected: { ageMs: 200, proxies: ["p"] } })],
		}),
	).toEqual(
		expect.arrayContaining([
			`buildkit_scaler_pool_waiting_builds${labels} 2`,
			`buildkit_scaler_pool_active_builds${labels} 3`,
			`buildkit_scaler_pool_metric_value${labels} 8`,
			`buildkit_scaler_pool_demand_known${labels} 1`,
			`buildkit_scaler_pool_streams${labels} 1`,
			`buildkit_scaler_pool_proxies_list_age_seconds${labels} 0.2`,
			'buildkit_scaler_proxy_snapshot_age_seconds{namespace="ci",pool="a",proxy="p"} 1.5',
			'buildkit_scaler_proxy_snapshot_age_seconds{namespace="ci",pool="a",proxy="q"} 0.5',
		]),
	);
	const after = await lines({ bus: { t: "disconnected", reason: "x" }, pools: [] });
	expect(after.filter((line) => line.includes("pool="))).toEqual([]);
	expect(after).toContain("buildkit_scaler_bus_connected 0");
});

test("unknown demand has no number", async () => {
	const { lines } = setup();
	const demand: Demand = { t: "unknown", reason: "x", atLeast: { waiting: 1, active: 1 } };
	const unknown = await lines({ bus: { t: "connected" }, pools: [pool({ demand, metric: null })] });
	expect(unknown.filter((line) => /waiting|active|value/.test(line))).toEqual([]);
	expect(unknown).toContain('buildkit_scaler_pool_demand_known{namespace="ci",pool="a"} 0');
});
