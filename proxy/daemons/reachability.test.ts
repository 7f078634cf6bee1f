import { expect, test } from "vitest";
import { avoidMs } from "./reachability.ts";

test("a daemon that is down is soon found when it comes up; one that takes builds for nothing is left alone longer", () => {
	expect([1, 2, 3, 4, 100].map((failures) => avoidMs(failures, false))).toEqual([10, 20, 40, 50, 50]);
	expect([101, 102, 103, 1_000].map((failures) => avoidMs(failures, false))).toEqual([100, 200, 250, 250]);
	expect([101, 102, 103, 1_000].map((failures) => avoidMs(failures, true))).toEqual([100, 200, 400, 1_000]);
});
