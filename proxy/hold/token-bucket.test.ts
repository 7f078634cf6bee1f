import fc from "fast-check";
import { expect, test } from "vitest";
import { TokenBucket } from "./token-bucket.ts";

test("a burst passes, the next one waits for its refill", () => {
	const bucket = new TokenBucket(3, 1_000, 0);
	expect([0, 0, 0, 0, 999, 1_000, 1_001].map((now) => bucket.take(now))).toEqual([
		true,
		true,
		true,
		false,
		false,
		true,
		false,
	]);
});

test("one every refill passes for ever", () => {
	const bucket = new TokenBucket(1, 1_000, 0);
	for (let now = 0; now < 1_000_000; now += 1_000) expect(bucket.take(now)).toBe(true);
});

test("never more than the burst and the refills", () => {
	fc.assert(
		fc.property(
			fc.array(fc.nat(2_000), { maxLength: 200 }),
			fc.integer({ min: 1, max: 20 }),
			(gaps, burst) => {
				const bucket = new TokenBucket(burst, 500, 0);
				let now = 0;
				let passed = 0;
				for (const gap of gaps) {
					now += gap;
					if (bucket.take(now)) passed++;
				}
				expect(passed).toBeLessThanOrEqual(burst + Math.floor(now / 500 + 1e-6));
			},
		),
	);
});
