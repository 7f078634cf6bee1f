import { expect, test } from "vitest";
import { purposeOf } from "./first-request.ts";

const listWorkers = "/moby.buildkit.v1.Control/ListWorkers";

test.each([
	["build", { ":path": listWorkers }],
	["status", { ":path": listWorkers, "grpc-timeout": "19984m" }],
	["status", { ":path": "/moby.buildkit.v1.Control/DiskUsage" }],
	// What `buildctl --wait build` asks first: its build is to come.
	["build", { ":path": "/moby.buildkit.v1.Control/Info", "grpc-timeout": "4999m" }],
	["build", { ":path": "/moby.buildkit.v1.Control/Prune" }],
	["orphan", { ":path": "/moby.buildkit.v1.frontend.LLBBridge/Return" }],
	["orphan", { ":path": "/opentelemetry.proto.collector.trace.v1.TraceService/Export" }],
	["build", {}],
] as const)("a first request for a %s: %o", (purpose, headers) => {
	expect(purposeOf(new Map(Object.entries(headers)))).toBe(purpose);
});
