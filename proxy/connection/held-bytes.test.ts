import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HeldBudget, HeldBytes } from "./held-bytes.ts";

describe("HeldBytes", () => {
	test("is what was added, in order, and gives back all it took", () => {
		fc.assert(
			fc.property(fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 50 }), (chunks) => {
				const budget = new HeldBudget(1_000_000);
				const held = new HeldBytes(100_000, budget);
				const copies = chunks.map((chunk) => held.add(chunk));
				expect(held.all()).toEqual(Buffer.concat(chunks));
				expect(copies).toEqual(chunks.map((chunk) => Buffer.from(chunk)));
				expect(budget.takenBytes).toBeGreaterThanOrEqual(held.all().length);
				expect(budget.takenBytes).toBeLessThanOrEqual(Math.max(512, held.all().length * 2));
				held.clear();
				held.clear();
				expect(budget.takenBytes).toBe(0);
			}),
		);
	});

	test("29,000 empty frames cost their bytes, not 29,000 objects", () => {
		const budget = new HeldBudget(1_000_000);
		const held = new HeldBytes(256 * 1024, budget);
		const settings = Buffer.alloc(9);
		let added = 0;
		while (held.add(settings) !== "heldTooMuch") added++;
		expect(added).toBe(Math.floor((256 * 1024) / 9));
		expect(budget.takenBytes).toBe(256 * 1024);
	});

	test("all together stay within the budget, and who leaves makes room", () => {
		const budget = new HeldBudget(2_048);
		const [a, b, c] = [1, 2, 3].map(() => new HeldBytes(4_096, budget));
		expect(a?.add(Buffer.alloc(1_000))).toHaveLength(1_000);
		expect(b?.add(Buffer.alloc(1_000))).toHaveLength(1_000);
		expect(c?.add(Buffer.alloc(1))).toBe("holdFull");
		a?.clear();
		expect(c?.add(Buffer.alloc(1))).toHaveLength(1);
		expect(budget.takenBytes).toBe(1_024 + 512);
	});

	test("a limit that is no power of two can be filled", () => {
		const held = new HeldBytes(1_000, new HeldBudget(10_000));
		expect(held.add(Buffer.alloc(900))).toHaveLength(900);
		expect(held.add(Buffer.alloc(100))).toHaveLength(100);
		expect(held.add(Buffer.alloc(1))).toBe("heldTooMuch");
	});
});
