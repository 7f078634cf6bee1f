import { expect, test } from "vitest";
import { ReadPacing } from "./read-pacing.ts";

const KiB = 1024;

/** How many of `count` reads of one size, a pause apart or at once, are followed by a pause. */
function pausesOf(pacing: ReadPacing, readBytes: number, count: number, pauseMs = 1): number {
	let now = 0;
	let pauses = 0;
	for (let read = 0; read < count; read++) {
		if (!pacing.pauses(readBytes, now)) continue;
		pauses++;
		now += pauseMs;
	}
	return pauses;
}

test("small messages are never waited for", () => {
	expect(pausesOf(new ReadPacing(), 16 * KiB - 1, 1_000)).toBe(0);
});

test("a bulk transfer that uses its pauses has one after each read", () => {
	expect(pausesOf(new ReadPacing(), 200 * KiB, 1_000)).toBe(1_000);
});

test("a sender that the pauses slow down gets 256 reads without one after every eight", () => {
	expect(pausesOf(new ReadPacing(), 40 * KiB, 8, 2)).toBe(8);
	expect(pausesOf(new ReadPacing(), 40 * KiB, 8 + 256, 2)).toBe(8);
	expect(pausesOf(new ReadPacing(), 40 * KiB, 8 + 256 + 8, 2)).toBe(16);
});
