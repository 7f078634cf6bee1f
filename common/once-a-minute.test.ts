import { expect, test } from "vitest";
import { ManualClock } from "../test/helpers/manual-clock.ts";
import { OnceAMinute } from "./once-a-minute.ts";

test("the first of a kind, then one a minute with the number of those in between", () => {
	const clock = new ManualClock();
	const lines = new OnceAMinute(clock);
	expect([lines.admit("a"), lines.admit("a"), lines.admit("b"), lines.admit("a")]).toEqual([
		0,
		undefined,
		0,
		undefined,
	]);
	clock.advance(60_000);
	expect([lines.admit("a"), lines.admit("a"), lines.admit("b")]).toEqual([2, undefined, 0]);
});

test("kinds that somebody invents take bounded room: the oldest is forgotten", () => {
	const lines = new OnceAMinute(new ManualClock());
	for (let kind = 0; kind <= 100; kind++) lines.admit(`${kind}`);
	expect([lines.admit("100"), lines.admit("1"), lines.admit("0")]).toEqual([undefined, undefined, 0]);
});
