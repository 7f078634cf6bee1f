import { describe, expect, test } from "vitest";
import { formatDuration, formatLine } from "./narrator.ts";
import type { Observation } from "./observation.ts";

const at = 0;
const daemon = "buildkitd-0";
const wallTime = new Date(2026, 0, 1, 12, 1, 3, 20).getTime();

test.each<[Observation, string]>([
	[{ t: "eventSeen", at, type: "connection.opened" }, "event: connection.opened"],
	[{ t: "buildWaiting", at, build: 1, afterMs: 1, poolAsleep: true }, "build 1  waiting: the pool is asleep"],
	[
		{ t: "buildWaiting", at, build: 2, afterMs: 1, poolAsleep: false },
		"build 2  waiting: for room on a daemon",
	],
	[{ t: "pushed", at }, "pushed: the scaler says active"],
	[{ t: "scaled", at, from: 0, to: 1, reason: "demand" }, "scaled 0 -> 1: KEDA wakes the pool"],
	[{ t: "scaled", at, from: 1, to: 3, reason: "metric" }, "scaled 1 -> 3: the HPA follows the metric"],
	[{ t: "scaled", at, from: 3, to: 0, reason: "cooldown" }, "scaled 3 -> 0: KEDA, the cooldown is over"],
	[{ t: "daemonStarted", at, daemon }, "daemon buildkitd-0 started"],
	[{ t: "buildAssigned", at, build: 1, daemon }, "build 1  assigned to buildkitd-0"],
	[{ t: "buildServed", at, build: 1, daemon, afterMs: 231.4 }, "build 1  first byte after 231 ms"],
	[{ t: "buildEnded", at, build: 1, reason: "clientClosed", afterMs: 3_210 }, "build 1  done after 3.2 s"],
	[
		{ t: "buildEnded", at, build: 1, reason: "daemonFailed", afterMs: 9 },
		"build 1  lost its daemon after 9 ms",
	],
	[{ t: "idle", at, cooldownMs: 30_000 }, "idle: back to zero in about 30 s"],
	[{ t: "daemonDraining", at, daemon }, "daemon buildkitd-0 drains: no new builds"],
	[{ t: "daemonKept", at, daemon }, "daemon buildkitd-0 is wanted again"],
	[{ t: "daemonStopped", at, daemon, left: 1 }, "daemon buildkitd-0 stopped: 1 daemon left"],
	[{ t: "daemonStopped", at, daemon, left: 0 }, "daemon buildkitd-0 stopped: 0 daemons left"],
	[
		{ t: "checkFailed", at, message: "14 UNAVAILABLE" },
		"the scaler does not know (14 UNAVAILABLE): the daemons stay as they are",
	],
	[{ t: "streamEnded", at, message: "OK", retryMs: 2_000 }, "push stream ended (OK); again in 2 s"],
	[
		{ t: "daemonFailed", at, daemon, how: "exit code 1", lastLines: ["no", "space"], retryMs: 1_000 },
		"daemon buildkitd-0 ended by itself (exit code 1); again in 1 s\n              | no\n              | space",
	],
	[
		{ t: "daemonFailed", at, daemon, how: "SIGSEGV", lastLines: [], retryMs: null },
		"daemon buildkitd-0 ended by itself (SIGSEGV); no longer wanted",
	],
])("%j", (observation, line) => {
	expect(formatLine(observation, wallTime)).toBe(`12:01:03.020  ${line}`);
});

describe("formatDuration", () => {
	test.each([
		[0, "0 ms"],
		[999.4, "999 ms"],
		[1_000, "1 s"],
		[3_249, "3.2 s"],
		[90_000, "90 s"],
		[900_000, "15 min"],
	])("%d ms is %s", (ms, text) => {
		expect(formatDuration(ms)).toBe(text);
	});
});
