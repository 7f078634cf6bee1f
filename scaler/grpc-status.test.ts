import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { ScalerError } from "../common/error.ts";
import { grpcStatusOf } from "./grpc-status.ts";

test.each([
	["METADATA_INVALID", status.INVALID_ARGUMENT],
	["METRIC_UNKNOWN", status.NOT_FOUND],
	["POOL_UNKNOWN", status.NOT_FOUND],
	["DEMAND_UNKNOWN", status.UNAVAILABLE],
	["INTERNAL", status.INTERNAL],
	["CONFIG_INVALID", status.INTERNAL],
] as const)("%s", (code, expected) => {
	expect(grpcStatusOf(new ScalerError(code, "why"))).toEqual({ code: expected, details: "why" });
});

test("anything thrown becomes INTERNAL, with details grpc-js can send", () => {
	expect(grpcStatusOf("half a pair: \ud800")).toEqual({
		code: status.INTERNAL,
		details: "half a pair: \ufffd",
	});
});
