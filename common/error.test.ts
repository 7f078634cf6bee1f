import { describe, expect, test } from "vitest";
import { ScalerError } from "./error.ts";

describe("ScalerError.from", () => {
	test("leaves our own as they are", () => {
		const error = new ScalerError("LISTEN_FAILED", "no");
		expect(ScalerError.from(error)).toBe(error);
	});

	test.each([
		[new TypeError("boom"), "boom"],
		["boom", "boom"],
		[undefined, "undefined"],
	])("wraps %s with its cause", (thrown, message) => {
		expect(ScalerError.from(thrown)).toMatchObject({ code: "INTERNAL", message, cause: thrown });
	});
});
