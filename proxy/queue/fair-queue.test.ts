import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FairQueue } from "./fair-queue.ts";

interface Build {
	readonly tenant: string;
	readonly place: number;
}

function queueOf({ maxPerTenant = Number.POSITIVE_INFINITY } = {}) {
	const queue = new FairQueue<Build>({ tenantOf: ({ tenant }) => tenant, maxPerTenant });
	let place = 0;
	const join = (...tenants: string[]) =>
		tenants.map((tenant) => {
			const build = { tenant, place: place++ };
			queue.add(build);
			return build;
		});
	const serve = () => {
		const build = queue.next();
		if (build !== undefined) queue.take(build);
		return build;
	};
	const served = (count: number) => Array.from({ length: count }, () => serve()?.tenant).join("");
	return { queue, join, serve, served };
}

describe("turns", () => {
	test("go round, however many builds one tenant has", () => {
		const { join, served } = queueOf();
		join(..."aaaabbc");
		expect(served(7)).toBe("abcabaa");
	});

	test("a build that comes back takes its old place, and no turn from its tenant", () => {
		const { queue, join, serve, served } = queueOf();
		const [first] = join(..."aaabb");
		serve();
		expect(queue.next()?.tenant).toBe("b");
		queue.add(first!);
		expect(queue.next()).toBe(first);
		expect(served(5)).toBe("ababa");
	});

	test("a build that came back and then leaves takes its turn along", () => {
		const { queue, join, serve, served } = queueOf();
		const [first] = join(..."aaa");
		serve();
		join("b");
		queue.add(first!);
		queue.remove(first!);
		expect(served(3)).toBe("aba");
	});

	test("a tenant at its cap is passed over, and is in turn again when a build of its ends or falls silent", () => {
		const { queue, join, serve, served } = queueOf({ maxPerTenant: 1 });
		const [, second, third] = join(..."aaab");
		const first = serve();
		expect([queue.size, queue.ready]).toEqual([3, 1]);
		expect(queue.isCapped(second!)).toBe(true);
		expect(served(2)).toBe("b");
		queue.ended(first!);
		expect(serve()).toBe(second);
		queue.setSilent(second!, true);
		expect(serve()).toBe(third);
	});

	test("a build comes back to its old place although its tenant had none left, or the rules have changed", () => {
		const { queue, join, serve, served } = queueOf();
		const [first] = join("a");
		serve();
		queue.setSilent(first!, true);
		const [second] = join("a");
		queue.add(first!);
		expect([serve(), serve()]).toEqual([first, second]);
		join("b");
		queue.use({ tenantOf: () => "", maxPerTenant: 2 });
		expect(serve()).toBeUndefined();
		queue.add(second!);
		expect(serve()).toBe(second);
		queue.use({ tenantOf: ({ tenant }) => tenant, maxPerTenant: 2 });
		expect(served(1)).toBe("b");
	});

	test("a silent build that talks again counts again, above the cap if need be", () => {
		const { queue, join, serve } = queueOf({ maxPerTenant: 1 });
		join(..."aaa");
		const first = serve();
		queue.setSilent(first!, true);
		const second = serve();
		queue.setSilent(first!, false);
		queue.ended(second!);
		expect(serve()).toBeUndefined();
		queue.ended(first!);
		expect(serve()?.place).toBe(2);
	});
});

const step = fc.oneof(
	{ weight: 3, arbitrary: fc.constantFrom("a", "b", "c").map((tenant) => ({ t: "join" as const, tenant })) },
	{ weight: 3, arbitrary: fc.constant({ t: "serve" as const }) },
	fc.constant({ t: "rules" as const }),
	fc.record({ t: fc.constantFrom("leave", "comeBack", "end", "silent" as const), pick: fc.nat() }),
);

test("the law: nobody is lost or served twice, no cap is passed, no tenant waits while another has two turns", () => {
	fc.assert(
		fc.property(
			fc.array(step, { maxLength: 150 }),
			fc.constantFrom(1, 2, 3, 1_000),
			(steps, maxPerTenant) => {
				const { queue, join } = queueOf({ maxPerTenant });
				const waiting = new Set<Build>();
				const served = new Set<Build>();
				const silent = new Set<Build>();
				const cameBack = new Set<Build>();
				/** While a tenant is ready: how often each other one had a turn since. */
				const turnsOfOthers = new Map<string, Map<string, number>>();
				const active = (tenant: string) =>
					[...served].filter((build) => build.tenant === tenant && !silent.has(build)).length;
				const inLine = (tenant: string) =>
					[...waiting].filter((build) => build.tenant === tenant).toSorted((a, b) => a.place - b.place);
				const pickFrom = (set: Set<Build>, pick: number) => [...set][pick % Math.max(1, set.size)];
				for (const s of steps) {
					switch (s.t) {
						case "join":
							for (const build of join(s.tenant)) waiting.add(build);
							break;
						case "serve": {
							const build = queue.next();
							expect(build === undefined).toBe(queue.ready === 0);
							if (build === undefined) break;
							expect(build).toBe(inLine(build.tenant)[0]);
							queue.take(build);
							expect(waiting.delete(build)).toBe(true);
							served.add(build);
							expect(active(build.tenant)).toBeLessThanOrEqual(maxPerTenant);
							turnsOfOthers.delete(build.tenant);
							if (cameBack.delete(build)) break;
							for (const [, turns] of turnsOfOthers) {
								turns.set(build.tenant, (turns.get(build.tenant) ?? 0) + 1);
								expect(turns.get(build.tenant)).toBe(1);
							}
							break;
						}
						case "rules":
							queue.use({ tenantOf: ({ tenant }) => tenant, maxPerTenant });
							turnsOfOthers.clear();
							break;
						case "leave": {
							const build = pickFrom(waiting, s.pick);
							expect(build === undefined || queue.remove(build)).toBe(true);
							if (build !== undefined) waiting.delete(build);
							break;
						}
						case "comeBack": {
							const build = pickFrom(served, s.pick);
							if (build === undefined) break;
							served.delete(build);
							silent.delete(build);
							queue.add(build);
							waiting.add(build);
							cameBack.add(build);
							break;
						}
						case "end": {
							const build = pickFrom(served, s.pick);
							if (build === undefined) break;
							served.delete(build);
							silent.delete(build);
							queue.ended(build);
							break;
						}
						case "silent": {
							const build = pickFrom(served, s.pick);
							if (build === undefined) break;
							silent.add(build);
							queue.setSilent(build, true);
							break;
						}
					}
					let ready = 0;
					for (const tenant of ["a", "b", "c"]) {
						const now = Math.min(inLine(tenant).length, Math.max(0, maxPerTenant - active(tenant)));
						ready += now;
						if (now === 0) turnsOfOthers.delete(tenant);
						else if (!turnsOfOthers.has(tenant)) turnsOfOthers.set(tenant, new Map());
					}
					expect([queue.size, queue.ready]).toEqual([waiting.size, ready]);
					expect(queue.oldest()).toBe([...waiting].toSorted((a, b) => a.place - b.place)[0]);
				}
				// What was foretold is what happens.
				const foretold = [...queue.inTurn()];
				expect(foretold).toHaveLength(queue.ready);
				for (const build of foretold) {
					expect(queue.isReady(build)).toBe(true);
					expect(queue.next()).toBe(build);
					queue.take(build);
				}
				expect(queue.next()).toBeUndefined();
			},
		),
		{ numRuns: 500 },
	);
});

test("10,000 builds of 1,000 tenants join, are counted and served in no time", () => {
	const { queue, join } = queueOf();
	const startedAt = performance.now();
	for (let n = 0; n < 10_000; n++) join(`tenant-${n % 1_000}`);
	expect([...queue.inTurn()]).toHaveLength(10_000);
	for (let build = queue.next(); build !== undefined; build = queue.next()) {
		queue.oldest();
		queue.take(build);
		queue.ended(build);
	}
	expect(queue.size).toBe(0);
	// 50 ms on an idle core.
	expect(performance.now() - startedAt).toBeLessThan(2_000);
});
