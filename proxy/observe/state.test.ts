import { expect, test } from "vitest";
import { startTestPool, type TestPool } from "../../test/helpers/test-pool.ts";
import { poolState } from "./state.ts";

const connections = ({ pool, clock }: TestPool) => poolState(pool, clock.now()).connections;

test("who waits is shown with its tenant, its place in the order of service, and since when", () => {
	const tested = startTestPool({ fairBy: "identity" });
	for (const identity of ["alice", "alice", "bob", undefined]) {
		tested.join(identity);
		tested.clock.advance(1_000);
	}
	expect(connections(tested).map(({ waiting }) => waiting)).toEqual([
		{ position: 1, tenant: "alice", ageMs: 4_000 },
		{ position: 4, tenant: "alice", ageMs: 3_000 },
		{ position: 2, tenant: "bob", ageMs: 2_000 },
		{ position: 3, tenant: "", ageMs: 1_000 },
	]);
});

test("who waits for its own tenant's builds to end has no position", () => {
	const tested = startTestPool({ fairBy: "identity", maxPerTenant: 1 });
	for (const identity of ["alice", "alice", "bob"]) tested.join(identity);
	expect(connections(tested).map(({ waiting }) => waiting?.position)).toEqual([1, null, 2]);
	expect(poolState(tested.pool, tested.clock.now()).why).toBe("none has been started");
});

test("10,000 that wait are shown in a fraction of a second", () => {
	const tested = startTestPool({ fairBy: "identity" });
	for (let n = 0; n < 10_000; n++) tested.join(`team-${n % 100}`);
	const startedAt = performance.now();
	const shown = connections(tested);
	// 20 ms on two busy cores; a search for each of them would take seconds.
	expect(performance.now() - startedAt).toBeLessThan(500);
	const positions = shown.map(({ waiting }) => waiting?.position ?? 0).toSorted((a, b) => a - b);
	expect(positions).toEqual(Array.from({ length: 10_000 }, (_, at) => at + 1));
});
