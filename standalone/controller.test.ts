import { expect, onTestFinished, test } from "vitest";
import { ScalerError } from "../common/error.ts";
import { createLogger } from "../common/log.ts";
import type { Scale } from "../kubernetes/workload.ts";
import type { Demand } from "../scaler/demand.ts";
import { noDaemons } from "../scaler/load.ts";
import { ManualClock } from "../test/helpers/manual-clock.ts";
import { StoredScale } from "../test/helpers/stored-scale.ts";
import { Controller } from "./controller.ts";

const workload = { kind: "StatefulSet", namespace: "default", name: "buildkitd" } as const;
const rules = { maxReplicas: 5, idleTimeoutMs: 120_000, capacity: 4, shrinks: true };
const settled = () => new Promise((resolve) => setImmediate(resolve));

function builds(waiting: number, active: number): Demand {
	const highestBusyOrdinal = active === 0 ? null : 0;
	return {
		t: "known",
		waiting,
		active,
		highestBusyOrdinal,
		capacity: 4,
		oldestWaitMs: 0,
		daemons: noDaemons,
	};
}

/** A controller that leads, and all that it depends on. */
function stage(replicas: number) {
	const clock = new ManualClock();
	const api = new StoredScale(replicas);
	const seen = {
		demand: builds(0, 0),
		/** What the daemons add when they are asked. */
		verified: undefined as Demand | undefined,
		notWhole: undefined as string | undefined,
		clears: true,
		term: new AbortController() as AbortController | undefined,
		asked: 0,
		cleared: [] as number[],
		writes: [] as string[],
	};
	const controller = new Controller(workload, rules, {
		clock,
		log: createLogger("silent"),
		api,
		term: () => seen.term?.signal,
		demand: () => seen.demand,
		async verifiedDemand() {
			seen.asked++;
			return seen.verified ?? seen.demand;
		},
		notWhole: () => seen.notWhole,
		async clear(to) {
			seen.cleared.push(to);
			return seen.clears;
		},
		onWrite: (direction, outcome) => void seen.writes.push(`${direction} ${outcome}`),
	});
	onTestFinished(() => controller.stop());
	const pass = async (ms: number) => {
		for (let passed = 0; passed < ms; passed += 1_000) {
			clock.advance(1_000);
			await settled();
		}
	};
	const check = async () => {
		controller.check();
		await settled();
	};
	return { clock, api, seen, controller, pass, check };
}

test("the first build that waits wakes the pool with one write, as what is known of the workload is at hand", async () => {
	const { api, seen, check, controller } = stage(0);
	await check();
	expect(api.calls).toEqual(["read"]);
	seen.demand = builds(9, 0);
	await check();
	expect(api.calls).toEqual(["read", "patch 0 -> 3"]);
	expect(seen.writes).toEqual(["up scaled"]);
	expect(controller.replicas).toBe(3);
	expect(seen.asked).toBe(0);
});

test("somebody else's write is seen, and what to do is decided anew, at once", async () => {
	const { api, seen, check } = stage(0);
	await check();
	api.write(2);
	seen.demand = builds(9, 0);
	await check();
	expect(api.calls).toEqual(["read", "patch 0 -> 3", "read", "patch 2 -> 3"]);
	expect(seen.writes).toEqual(["up conflict", "up scaled"]);
	api.write(0);
	await check();
	expect(api.replicas).toBe(0);
	expect(api.calls).toHaveLength(4);
});

test("what somebody else set while all is quiet is found within seconds", async () => {
	const { api, seen, pass } = stage(0);
	seen.demand = builds(0, 1);
	await pass(1_000);
	expect(api.replicas).toBe(1);
	api.write(0);
	await pass(6_000);
	expect(api.replicas).toBe(1);
});

test("to zero only after the idle timeout, after the daemons were asked and get no more builds", async () => {
	const { api, seen, pass } = stage(1);
	await pass(120_000);
	expect([api.replicas, seen.asked, seen.cleared]).toEqual([1, 0, []]);
	seen.verified = builds(0, 1);
	await pass(1_000);
	expect([api.replicas, seen.asked]).toEqual([1, 1]);
	// A build around the proxies is a build: the time begins anew.
	seen.verified = { t: "unknown", reason: "a daemon cannot be asked", atLeast: { waiting: 0, active: 0 } };
	await pass(120_000);
	expect([api.replicas, seen.asked]).toEqual([1, 1]);
	await pass(10_000);
	expect([api.replicas, seen.asked]).toEqual([1, 11]);
	seen.verified = undefined;
	await pass(1_000);
	expect([api.replicas, seen.cleared]).toEqual([0, [0]]);
	expect(seen.writes).toEqual(["down scaled"]);
});

test("daemons that do not get free stay, and get their builds back before it is tried again", async () => {
	const { api, seen, pass } = stage(1);
	seen.clears = false;
	await pass(121_000);
	expect([api.replicas, seen.cleared]).toEqual([1, [0]]);
	await pass(59_000);
	expect(seen.cleared).toEqual([0]);
	seen.clears = true;
	await pass(2_000);
	expect([api.replicas, seen.cleared]).toEqual([0, [0, 0]]);
});

test("a replica that is silent keeps everything up, and nobody from being woken", async () => {
	const { api, seen, pass } = stage(1);
	seen.notWhole = "replica b is silent";
	await pass(600_000);
	expect([api.replicas, seen.cleared]).toEqual([1, []]);
	seen.demand = builds(9, 0);
	await pass(1_000);
	expect(api.replicas).toBe(3);
});

test("who does not lead writes nothing, and who begins to lead reads first and knows what was before", async () => {
	const { api, seen, pass, controller } = stage(1);
	const { term } = seen;
	seen.term = undefined;
	seen.demand = builds(1, 0);
	await pass(100_000);
	seen.demand = builds(0, 0);
	await pass(100_000);
	expect([api.calls, controller.replicas]).toEqual([[], undefined]);
	seen.term = term;
	await pass(1_000);
	expect(api.calls).toEqual(["read"]);
	await pass(19_000);
	expect(api.replicas).toBe(1);
	await pass(2_000);
	expect(api.replicas).toBe(0);
});

test("an API that fails changes nothing and is asked again; a term that ends ends what is under way", async () => {
	const { api, seen, pass, check } = stage(0);
	await check();
	api.fails = new ScalerError("KUBERNETES_FORBIDDEN", "forbidden");
	seen.demand = builds(1, 0);
	await pass(5_000);
	expect(api.replicas).toBe(0);
	expect(seen.writes).toEqual(["up failed"]);
	api.fails = undefined;
	await pass(1_000);
	expect(api.replicas).toBe(1);
	const { promise, resolve } = Promise.withResolvers<Scale>();
	let given: AbortSignal | undefined;
	api.patch = async (_, __, ___, signal?: AbortSignal) => {
		given = signal;
		signal?.addEventListener("abort", () => resolve({ replicas: 0, existing: 0, version: "0" }));
		return promise;
	};
	seen.demand = builds(9, 0);
	await check();
	expect(given?.aborted).toBe(false);
	seen.term?.abort();
	expect(given?.aborted).toBe(true);
	await settled();
});
