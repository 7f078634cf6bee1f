import { expect, test } from "vitest";
import { startTestPool } from "../helpers/test-pool.ts";

test("a fault of ours in one connection ends that one, and nobody else notices", () => {
	const { pool, join, moves, events } = startTestPool();
	join("before");
	let broken = false;
	pool.onMove(({ state }) => {
		if (broken || state !== "waiting") return;
		broken = true;
		throw new TypeError("a bug");
	});
	join("unlucky");
	expect(moves.at(-1)).toMatchObject({ state: "closed", reason: "internalError" });
	join("after");
	expect([...pool.connections].map(({ state, origin }) => [origin.identity, state.t])).toEqual([
		["before", "waiting"],
		["after", "waiting"],
	]);
	expect(pool.waiting).toBe(2);
	expect(events.filter(({ type }) => type === "connection.closed")).toEqual([]);
});
