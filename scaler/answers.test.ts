import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DemandSource, getMetricSpec, getMetrics, isActive } from "./answers.ts";
import type { Demand } from "./demand.ts";
import { noDaemons } from "./load.ts";

const known: Demand = {
	t: "known",
	waiting: 2,
	active: 3,
	highestBusyOrdinal: 0,
	capacity: 4,
	oldestWaitMs: 0,
	daemons: noDaemons,
};
const idle: Demand = { ...known, waiting: 0, active: 0, highestBusyOrdinal: null };
const unknown: Demand = {
	t: "unknown",
	reason: "the bus is disconnected",
	atLeast: { waiting: 0, active: 0 },
};
const absent: Demand = { t: "absent" };

const source = (demand: Demand, capacity?: number): DemandSource => ({
	demand: () => demand,
	capacity: () => capacity,
	settle: async () => {},
});
const ref = (metadata: Record<string, string> = { pool: "p" }) => ({
	name: "so",
	namespace: "ns",
	scalerMetadata: metadata,
});
const metrics = (demand: Demand, metricName = "builds") =>
	getMetrics(source(demand), { scaledObjectRef: ref(), metricName });

describe("GetMetrics", () => {
	test("one value, as integer and as float", async () => {
		expect(await metrics(known)).toEqual({
			metricValues: [{ metricName: "builds", metricValue: 5, metricValueFloat: 5 }],
		});
	});

	test("zero in both fields: KEDA reads the integer when the float is zero", async () => {
		expect(await metrics(idle)).toEqual({
			metricValues: [{ metricName: "builds", metricValue: 0, metricValueFloat: 0 }],
		});
	});

	test.each([
		["s0-builds", "METRIC_UNKNOWN"],
		["other", "METRIC_UNKNOWN"],
		["", "METADATA_INVALID"],
	])("the metric name %j", async (name, code) => {
		await expect(metrics(known, name)).rejects.toMatchObject({ code });
	});
});

describe("IsActive", () => {
	test("is true exactly when GetMetrics is above zero", async () => {
		const load = fc.record({
			waiting: fc.nat(3),
			active: fc.nat(3),
			highestBusyOrdinal: fc.constant(null),
			capacity: fc.integer({ min: 1, max: 4 }),
			oldestWaitMs: fc.nat(),
			daemons: fc.constant(noDaemons),
		});
		await fc.assert(
			fc.asyncProperty(load, async (some) => {
				const demand: Demand = { t: "known", ...some };
				const [value] = (await metrics(demand)).metricValues;
				expect((await isActive(source(demand), ref())).result).toBe((value?.metricValueFloat ?? 0) > 0);
			}),
		);
	});
});

describe("GetMetricSpec", () => {
	const spec = (target: number) => ({
		metricSpecs: [{ metricName: "builds", targetSize: target, targetSizeFloat: target }],
	});
	const static2 = { pool: "p", buildsPerDaemon: "2" };

	test("the metadata's buildsPerDaemon, known or not", () => {
		for (const demand of [known, unknown, absent])
			expect(getMetricSpec(source(demand, 4), ref(static2))).toEqual(spec(2));
	});

	test("else the last known capacity, also while demand is unknown", () => {
		for (const demand of [known, unknown]) expect(getMetricSpec(source(demand, 4), ref())).toEqual(spec(4));
	});

	test("else an error, never an empty list", () => {
		expect(thrownBy(() => getMetricSpec(source(unknown), ref()))).toMatchObject({ code: "DEMAND_UNKNOWN" });
		expect(thrownBy(() => getMetricSpec(source(absent), ref()))).toMatchObject({ code: "POOL_UNKNOWN" });
	});
});

test.each<[Demand, string, string]>([
	[unknown, "DEMAND_UNKNOWN", "the demand of pool ns/p is unknown: the bus is disconnected"],
	[absent, "POOL_UNKNOWN", "no proxy speaks for pool ns/p"],
])("%j is an error, not zero", async (demand, code, message) => {
	await expect(metrics(demand)).rejects.toMatchObject({ code, message });
	await expect(isActive(source(demand), ref())).rejects.toMatchObject({ code, message });
});

test("wrong metadata comes before everything else", async () => {
	await expect(isActive(source(unknown), ref({}))).rejects.toMatchObject({ code: "METADATA_INVALID" });
	expect(thrownBy(() => getMetricSpec(source(unknown), ref({})))).toMatchObject({ code: "METADATA_INVALID" });
	const request = { scaledObjectRef: null, metricName: "other" };
	await expect(getMetrics(source(unknown), request)).rejects.toMatchObject({ code: "METADATA_INVALID" });
});

function thrownBy(run: () => unknown): unknown {
	try {
		return run();
	} catch (error) {
		return error;
	}
}
