import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { policies, policyNames } from "./balance.ts";

const { pack, leastBuilds } = policies;

const candidate = (name: string, ordinal: number | null, builds: number) => ({ name, ordinal, builds });

describe("pack", () => {
	test("takes the lowest ordinal, however full it is", () => {
		const daemons = [candidate("c", 2, 0), candidate("a", 0, 3), candidate("b", 1, 1)];
		expect(pack(daemons)?.name).toBe("a");
	});

	test("takes the fullest where there is no order, so that the others can go", () => {
		const daemons = [candidate("x", null, 1), candidate("y", null, 3), candidate("z", null, 2)];
		expect(pack(daemons)?.name).toBe("y");
	});
});

describe("leastBuilds", () => {
	test("takes the emptiest, then the lowest ordinal", () => {
		const daemons = [candidate("c", 2, 1), candidate("a", 0, 3), candidate("b", 1, 1)];
		expect(leastBuilds(daemons)?.name).toBe("b");
	});

	test("builds that stay are spread as evenly as they can be", () => {
		fc.assert(
			fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(100), (size, builds) => {
				const daemons = Array.from({ length: size }, (_, ordinal) => candidate(`d${ordinal}`, ordinal, 0));
				for (let build = 0; build < builds; build++) leastBuilds(daemons)!.builds++;
				const loads = daemons.map((daemon) => daemon.builds);
				expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
			}),
		);
	});
});

describe.each(policyNames)("%s", (name) => {
	const choose = policies[name];

	test("has nothing to choose from nothing", () => {
		expect(choose([])).toBeUndefined();
	});

	test("chooses the same whatever the order it is given", () => {
		const daemons = fc.uniqueArray(fc.record({ ordinal: fc.nat(50), builds: fc.nat(10) }), {
			minLength: 1,
			selector: (d) => d.ordinal,
		});
		fc.assert(
			fc.property(daemons, fc.boolean(), (list, ordered) => {
				const candidates = list.map(({ ordinal, builds }) =>
					candidate(`d${ordinal}`, ordered ? ordinal : null, builds),
				);
				expect(choose(candidates.toReversed())).toBe(choose(candidates));
			}),
		);
	});
});
