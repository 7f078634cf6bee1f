import { expect, test } from "vitest";
import { traceParentOf } from "./trace-parent.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const spanId = "00f067aa0ba902b7";
const read = (value: string) => traceParentOf(new Map([["traceparent", value]]));

test.each([
	[`00-${traceId}-${spanId}-01`, true],
	[`00-${traceId}-${spanId}-00`, false],
	[`00-${traceId}-${spanId}-03`, true],
	[`cc-${traceId}-${spanId}-01-of-a-later-version`, true],
])("%s", (value, sampled) => {
	expect(read(value)).toEqual({ traceId, spanId, sampled });
});

test.each([
	"",
	"00",
	`00-${traceId}-${spanId}`,
	`00-${traceId}-${spanId}-01-more`,
	`ff-${traceId}-${spanId}-01`,
	`00-${"0".repeat(32)}-${spanId}-01`,
	`00-${traceId}-${"0".repeat(16)}-01`,
	`00-${traceId.toUpperCase()}-${spanId}-01`,
	`00-${traceId}x-${spanId}-01`,
])("%j is none", (value) => {
	expect(read(value)).toBeUndefined();
});

test("no header is none", () => {
	expect(traceParentOf(new Map())).toBeUndefined();
});
