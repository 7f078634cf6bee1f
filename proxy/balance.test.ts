import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pack } from "./balance.ts";

const candidate = (name: string, ordinal: number | null, builds: number) => ({ name, ordinal, builds });

describe("pack", () => {
	test("has nothing to choose from nothing", () => {
		expect(pack([])).toBeUndefined();
	});

	test("takes the lowest ordinal, however full it is", () => {
		const daemons = [candidate("c", 2, 0), candidate("a", 0, 3), candidate("b", 1, 1)];
		expect(pack(daemons)?.name).toBe("a");
	});

	test("takes the fullest where there is no order, so that the others can go", () => {
		const daemons = [candidate("x", null, 1), candidate("y", null, 3), candidate("z", null, 2)];
		expect(pack(daemons)?.name).toBe("y");
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
				expect(pack(candidates.toReversed())).toBe(pack(candidates));
			}),
		);
	});
});
