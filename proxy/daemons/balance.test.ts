import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { policies, policyNames } from "./balance.ts";

const { pack, leastBuilds, affinity } = policies;

const candidate = (name: string, ordinal: number | null, builds: number) => ({ name, ordinal, builds });

describe("pack", () => {
	test("takes the lowest ordinal, however full it is", () => {
		const daemons = [candidate("c", 2, 0), candidate("a", 0, 3), candidate("b", 1, 1)];
		expect(pack(daemons, "")?.name).toBe("a");
	});

	test("takes the fullest where there is no order, so that the others can go", () => {
		const daemons = [candidate("x", null, 1), candidate("y", null, 3), candidate("z", null, 2)];
		expect(pack(daemons, "")?.name).toBe("y");
	});
});

describe("leastBuilds", () => {
	test("takes the emptiest, then the lowest ordinal", () => {
		const daemons = [candidate("c", 2, 1), candidate("a", 0, 3), candidate("b", 1, 1)];
		expect(leastBuilds(daemons, "")?.name).toBe("b");
	});

	test("builds that stay are spread as evenly as they can be", () => {
		fc.assert(
			fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(100), (size, builds) => {
				const daemons = Array.from({ length: size }, (_, ordinal) => candidate(`d${ordinal}`, ordinal, 0));
				for (let build = 0; build < builds; build++) leastBuilds(daemons, "")!.builds++;
				const loads = daemons.map((daemon) => daemon.builds);
				expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
			}),
		);
	});
});

describe("affinity", () => {
	const daemonNames = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 20 }), {
		minLength: 2,
		maxLength: 30,
	});
	const keys = fc.array(fc.string({ maxLength: 30 }), { maxLength: 50 });
	const at = (names: readonly string[], key: string) =>
		affinity(
			names.map((name) => candidate(name, null, 0)),
			key,
		)?.name;

	test("a daemon that goes takes only its own keys with it", () => {
		fc.assert(
			fc.property(daemonNames, keys, fc.nat(), (names, list, pick) => {
				const gone = names[pick % names.length];
				const left = names.filter((name) => name !== gone);
				for (const key of list) {
					const before = at(names, key);
					if (before === gone) expect(left).toContain(at(left, key));
					else expect(at(left, key)).toBe(before);
				}
			}),
		);
	});

	test("a daemon that comes takes keys from all others, about its share, and moves none between them", () => {
		const all = Array.from({ length: 4_000 }, (_, n) => `team-${n}`);
		for (let size = 1; size <= 12; size++) {
			const names = Array.from({ length: size + 1 }, (_, ordinal) => `pool-buildkitd-${ordinal}`);
			const newcomer = names[size];
			const moved = all.filter((key) => at(names, key) !== at(names.slice(0, size), key));
			for (const key of moved) expect(at(names, key)).toBe(newcomer);
			// The share is binomial: 5 standard deviations either way.
			const share = all.length / (size + 1);
			const spread = 5 * Math.sqrt(share * (1 - 1 / (size + 1)));
			expect(Math.abs(moved.length - share)).toBeLessThan(spread);
		}
	});

	test("fills a key's daemons one after the other, none beyond its capacity, always in the same order", () => {
		fc.assert(
			fc.property(daemonNames, fc.string(), fc.integer({ min: 1, max: 5 }), (names, key, capacity) => {
				const daemons = names.map((name) => candidate(name, null, 0));
				const fill = () => {
					const withRoom = daemons.filter(({ builds }) => builds < capacity);
					const chosen = affinity(withRoom, key);
					if (chosen !== undefined) chosen.builds++;
					return chosen?.name;
				};
				const chosen = Array.from({ length: names.length * capacity }, fill);
				expect(fill()).toBeUndefined();
				const order = chosen.filter((_, build) => build % capacity === 0);
				expect(new Set(order).size).toBe(names.length);
				expect(chosen).toEqual(order.flatMap((name) => Array.from({ length: capacity }, () => name)));
				expect(order[0]).toBe(at(names, key));
			}),
		);
	});

	test("stays as it is from version to version: another hash would turn every cache cold", () => {
		const names = ["buildkitd-0", "buildkitd-1", "buildkitd-2", "buildkitd-3"];
		const chosen = ["alice", "bob", "ci", "127.0.0.1", ""].map((key) => at(names, key)?.at(-1));
		expect(chosen.join("")).toBe("31231");
	});
});

describe.each(policyNames)("%s", (name) => {
	const choose = policies[name];

	test("has nothing to choose from nothing", () => {
		expect(choose([], "key")).toBeUndefined();
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
				expect(choose(candidates.toReversed(), "key")).toBe(choose(candidates, "key"));
			}),
		);
	});
});
