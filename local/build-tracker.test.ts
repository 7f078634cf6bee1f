import { expect, test } from "vitest";
import { BuildTracker, type TrackedMove } from "./build-tracker.ts";
import type { BuildObservation } from "./observation.ts";

function observe(moves: readonly TrackedMove[]): BuildObservation[] {
	const observed: BuildObservation[] = [];
	const tracker = new BuildTracker({
		cooldownMs: 30_000,
		isPoolAsleep: () => observed.length === 0,
		observe: (observation) => observed.push(observation),
	});
	for (const move of moves) tracker.moved(move);
	return observed;
}

test("tells a build's life, counted from its accept", () => {
	const daemon = "buildkitd-0";
	expect(
		observe([
			{ id: "a", state: "opening", at: 1_000 },
			{ id: "a", state: "waiting", at: 1_001 },
			{ id: "a", state: "dialing", at: 1_100, daemon },
			{ id: "a", state: "waiting", at: 1_110 },
			{ id: "a", state: "dialing", at: 1_120, daemon },
			{ id: "a", state: "live", at: 1_231, daemon },
			{ id: "a", state: "closed", at: 4_200, reason: "clientClosed" },
		]),
	).toEqual([
		{ t: "buildWaiting", at: 1_001, build: 1, afterMs: 1, poolAsleep: true },
		{ t: "buildAssigned", at: 1_100, build: 1, daemon },
		{ t: "buildAssigned", at: 1_120, build: 1, daemon },
		{ t: "buildServed", at: 1_231, build: 1, daemon, afterMs: 231 },
		{ t: "buildEnded", at: 4_200, build: 1, reason: "clientClosed", afterMs: 3_200 },
		{ t: "idle", at: 4_200, cooldownMs: 30_000 },
	]);
});

test("a connection that never waited is not mentioned", () => {
	expect(
		observe([
			{ id: "probe", state: "opening", at: 0 },
			{ id: "probe", state: "closed", at: 10_000, reason: "noPreface" },
		]),
	).toEqual([]);
});

test("numbers builds by their coming, ends a failing one once, and is idle after the last", () => {
	const observed = observe([
		{ id: "a", state: "opening", at: 0 },
		{ id: "b", state: "opening", at: 0 },
		{ id: "b", state: "waiting", at: 1 },
		{ id: "a", state: "waiting", at: 2 },
		{ id: "b", state: "failing", at: 3, reason: "waitTimeout" },
		{ id: "b", state: "closed", at: 4, reason: "waitTimeout" },
		{ id: "a", state: "closed", at: 5, reason: "clientGone" },
	]);
	expect(observed.map((o) => ("build" in o ? `${o.t} ${o.build}` : o.t))).toEqual([
		"buildWaiting 1",
		"buildWaiting 2",
		"buildEnded 1",
		"buildEnded 2",
		"idle",
	]);
});
