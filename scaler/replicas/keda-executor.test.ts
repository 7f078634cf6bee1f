import fc from "fast-check";
import { expect, test } from "vitest";
import { decideScale, type ExecutorInput } from "./keda-executor.ts";

const now = 100_000;
const cooldownMs = 30_000;

test.each<{
	why: string;
	input: Pick<ExecutorInput, "activity" | "replicas" | "lastActiveAt">;
	expected: unknown;
}>([
	{
		why: "wakes a sleeping pool with one replica",
		input: { activity: "active", replicas: 0, lastActiveAt: null },
		expected: { replicas: 1, lastActiveAt: now },
	},
	{
		why: "leaves an active pool to the HPA, and notes the time",
		input: { activity: "active", replicas: 3, lastActiveAt: 5 },
		expected: { replicas: 3, lastActiveAt: now },
	},
	{
		why: "keeps an idle pool through the cooldown",
		input: { activity: "inactive", replicas: 3, lastActiveAt: now - cooldownMs },
		expected: { replicas: 3, lastActiveAt: now - cooldownMs },
	},
	{
		why: "goes straight to zero after it",
		input: { activity: "inactive", replicas: 3, lastActiveAt: now - cooldownMs - 1 },
		expected: { replicas: 0, lastActiveAt: now - cooldownMs - 1 },
	},
	{
		why: "zeroes at the first look what it never saw active",
		input: { activity: "inactive", replicas: 2, lastActiveAt: null },
		expected: { replicas: 0, lastActiveAt: null },
	},
	{
		why: "lets a sleeping pool sleep",
		input: { activity: "inactive", replicas: 0, lastActiveAt: null },
		expected: { replicas: 0, lastActiveAt: null },
	},
])("$why", ({ input, expected }) => {
	expect(decideScale({ ...input, now, cooldownMs })).toEqual(expected);
});

test("law: unknown is not zero: nothing changes, however long it lasts", () => {
	const lastActive = fc.option(fc.nat(now));
	fc.assert(
		fc.property(fc.nat(20), lastActive, fc.nat(now), (replicas, lastActiveAt, cooldown) => {
			const decision = decideScale({
				activity: "unknown",
				replicas,
				lastActiveAt,
				now,
				cooldownMs: cooldown,
			});
			expect(decision).toEqual({ replicas, lastActiveAt });
		}),
	);
});
