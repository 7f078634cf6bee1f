import { expect, test } from "vitest";
import { faultsOf, spellsOf } from "./schedule.ts";

function first<T>(items: Iterator<T>, count: number): T[] {
	return Array.from({ length: count }, () => items.next().value as T);
}

test("a seed has the same faults and builds each time, and another seed has others", () => {
	const faults = (seed: number) => first(faultsOf(seed), 500);
	const spells = (seed: number) => first(spellsOf(seed), 50);
	expect(faults(7)).toEqual(faults(7));
	expect(spells(7)).toEqual(spells(7));
	expect(faults(8)).not.toEqual(faults(7));
	expect(spells(8)).not.toEqual(spells(7));
});

test("200 faults have all kinds but perhaps one, and come about every second", () => {
	for (let seed = 1; seed <= 20; seed++) {
		const planned = first(faultsOf(seed), 200);
		expect(new Set(planned.map(({ fault }) => fault.t)).size).toBeGreaterThanOrEqual(19);
		const seconds = planned.reduce((sum, { afterMs }) => sum + afterMs, 0) / 1_000;
		expect(seconds).toBeGreaterThan(120);
		expect(seconds).toBeLessThan(240);
	}
});
