import { expect, test } from "vitest";
import { externalScalerService } from "./external-scaler.ts";

// Written by hand from KEDA's proto and the protobuf encoding: tag = field number << 3 | wire type.
const ref = "0a02736f" + "12026e73" + "1a09" + "0a04706f6f6c" + "120170";
const refObject = { name: "so", namespace: "ns", scalerMetadata: { pool: "p" } };
const builds = "0a066275696c6473";

const { IsActive, StreamIsActive, GetMetricSpec, GetMetrics, StreamMetricSpec } = externalScalerService;

test("the methods have KEDA's paths", () => {
	expect(Object.keys(externalScalerService)).toEqual([
		"IsActive",
		"StreamIsActive",
		"GetMetricSpec",
		"GetMetrics",
		"StreamMetricSpec",
	]);
	expect(IsActive.path).toBe("/externalscaler.ExternalScaler/IsActive");
	expect(StreamIsActive).toMatchObject({
		path: "/externalscaler.ExternalScaler/StreamIsActive",
		requestStream: false,
		responseStream: true,
	});
	expect(GetMetricSpec.path).toBe("/externalscaler.ExternalScaler/GetMetricSpec");
	expect(GetMetrics.path).toBe("/externalscaler.ExternalScaler/GetMetrics");
	expect(StreamMetricSpec).toMatchObject({
		path: "/externalscaler.ExternalScaler/StreamMetricSpec",
		requestStream: false,
		responseStream: true,
	});
});

test.each([
	["ScaledObjectRef", IsActive.requestSerialize(refObject), ref],
	["IsActiveResponse", IsActive.responseSerialize({ result: true }), "0801"],
	[
		"GetMetricSpecResponse",
		GetMetricSpec.responseSerialize({
			metricSpecs: [{ metricName: "builds", targetSize: 4, targetSizeFloat: 4 }],
		}),
		`0a13${builds}1004190000000000001040`,
	],
	[
		"GetMetricsRequest",
		GetMetrics.requestSerialize({ scaledObjectRef: refObject, metricName: "builds" }),
		`0a13${ref}12066275696c6473`,
	],
	[
		"GetMetricsResponse",
		GetMetrics.responseSerialize({
			metricValues: [{ metricName: "builds", metricValue: 9, metricValueFloat: 8.5 }],
		}),
		`0a13${builds}1009190000000000002140`,
	],
	[
		"a metricValue beyond 32 bits",
		GetMetrics.responseSerialize({
			metricValues: [{ metricName: "builds", metricValue: 2 ** 40, metricValueFloat: 2 ** 40 }],
		}),
		`0a18${builds}10808080808020190000000000007042`,
	],
])("golden bytes of %s", (_name, encoded, golden) => {
	expect(encoded.toString("hex")).toBe(golden);
});

test("messages decode, with proto3's defaults for what is missing", () => {
	expect(IsActive.requestDeserialize(Buffer.from(ref, "hex"))).toEqual(refObject);
	expect(IsActive.requestDeserialize(Buffer.alloc(0))).toEqual({
		name: "",
		namespace: "",
		scalerMetadata: {},
	});
	expect(IsActive.responseDeserialize(Buffer.alloc(0))).toEqual({ result: false });
	expect(GetMetrics.requestDeserialize(Buffer.alloc(0))).toEqual({ scaledObjectRef: null, metricName: "" });
	expect(GetMetricSpec.responseDeserialize(Buffer.alloc(0))).toEqual({ metricSpecs: [] });
	const old = Buffer.from(`0a0a${builds}1005`, "hex");
	expect(GetMetrics.responseDeserialize(old)).toEqual({
		metricValues: [{ metricName: "builds", metricValue: 5, metricValueFloat: 0 }],
	});
});

test("fields of later versions are ignored", () => {
	const withField9 = Buffer.from(`${ref}4a0178`, "hex");
	expect(IsActive.requestDeserialize(withField9)).toEqual(refObject);
});
