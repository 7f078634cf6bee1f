import { describe, expect, test } from "vitest";
import { describeFailure } from "./api-failure.ts";
import { ApiStatusError } from "./api-status-error.ts";

const describe_ = (thrown: unknown) => describeFailure(thrown, "builds");

describe("a failure is told in one line", () => {
	test("that names the missing permission, in words for a Role", () => {
		const text = describe_(Object.assign(new Error("Forbidden"), { statusCode: 403 }));
		expect(text).toContain("get, list, watch on endpointslices (discovery.k8s.io) in namespace builds");
	});

	test.each([
		[401, "credentials"],
		[404, "discovery.k8s.io/v1"],
		[410, "too far behind"],
		[500, "answered 500"],
	])("for the status %i, wherever the library puts it", (code, words) => {
		expect(describe_(new ApiStatusError(code, "x"))).toContain(words);
		expect(describe_(Object.assign(new Error("HTTP-Code\nBody: ..."), { code }))).toContain(words);
	});

	test("with the cause of a failed fetch", () => {
		const cause = new AggregateError([new Error("a")], "");
		Object.assign(cause, { code: "ECONNREFUSED" });
		expect(describe_(new TypeError("fetch failed", { cause }))).toContain("ECONNREFUSED");
	});

	test("for silence, a text and nothing at all", () => {
		expect(describe_(new DOMException("x", "TimeoutError"))).toContain("silent");
		expect(describe_("y".repeat(1_000))).toHaveLength(describe_("y".repeat(500)).length);
		expect(describe_(undefined)).toContain("undefined");
	});
});
