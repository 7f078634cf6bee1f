import { describe, expect, test } from "vitest";
import { describeFinding, findSmallest, runSeed } from "./find.ts";
import type { PlantedBug } from "./planted.ts";
import type { Law } from "./world.ts";

const timeout = 120_000;

/** `npm run model` runs many more. */
const schedules = 500;

test(`${schedules} schedules break no law`, { timeout }, async () => {
	for (let seed = 1; seed <= schedules; seed++) {
		const { violation } = await runSeed(seed);
		if (violation !== undefined) expect.fail(describeFinding(await findSmallest(seed, violation.law)));
	}
});

test("a seed is the same story each time", async () => {
	expect(await runSeed(7)).toEqual(await runSeed(7));
});

describe("a planted bug is found, and shrunk to a few steps", () => {
	const planted: [bug: PlantedBug, law: Law, within: number][] = [
		["increments", "L2", 50],
		["increments", "L4", 50],
		["expiryIsZero", "L2", 2_000],
		["noOrdinalFloor", "L5", 50],
		["noOrdinalFloor", "L1", 500],
		["noVerify", "L2", 500],
		["noVerify", "L1", 2_000],
	];
	test.each(planted)("%s, by %s within %i schedules", { timeout }, async (bug, law, within) => {
		for (let seed = 1; seed <= within; seed++) {
			const { violation } = await runSeed(seed, bug, law);
			if (violation === undefined) continue;
			const { schedule } = await findSmallest(seed, law, bug);
			expect(schedule.steps.length).toBeLessThanOrEqual(6);
			return;
		}
		expect.fail("not found");
	});
});
