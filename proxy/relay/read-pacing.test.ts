import fc from "fast-check";
import { expect, test } from "vitest";
import { muchBytes, ReadPacing } from "./read-pacing.ts";

const KiB = 1024;

/** How many of `count` reads of one size are followed by a rest. */
function restsOf(pacing: ReadPacing, readBytes: number, count: number): number {
	let rests = 0;
	for (let read = 0; read < count; read++) if (pacing.rests(readBytes)) rests++;
	return rests;
}

test("small messages are never waited for", () => {
	expect(restsOf(new ReadPacing(), 16 * KiB - 1, 1_000)).toBe(0);
});

test("a bulk transfer whose rests yield much rests after each read", () => {
	expect(restsOf(new ReadPacing(), muchBytes, 1_000)).toBe(1_000);
});

test("a sender that rests slow down gets ever more reads without one", () => {
	const pacing = new ReadPacing();
	for (const eager of [256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 16_384]) {
		expect(restsOf(pacing, muchBytes - 1, 2)).toBe(2);
		expect(restsOf(pacing, muchBytes - 1, eager)).toBe(0);
	}
});

test("a rest that yields much again makes them few again", () => {
	const pacing = new ReadPacing();
	expect(restsOf(pacing, 20 * KiB, 2 + 256 + 2 + 512)).toBe(4);
	expect(restsOf(pacing, muchBytes, 2)).toBe(2);
	expect(restsOf(pacing, 20 * KiB, 1 + 256)).toBe(1);
	expect(restsOf(pacing, 20 * KiB, 1)).toBe(1);
});

test("whatever comes, after two poor rests in a row comes none for 256 reads", () => {
	fc.assert(
		fc.property(fc.array(fc.integer({ min: 1, max: 2 * muchBytes }), { maxLength: 2_000 }), (reads) => {
			const pacing = new ReadPacing();
			let resting = false;
			let poor = 0;
			let sinceTwoPoor = Number.POSITIVE_INFINITY;
			for (const bytes of reads) {
				if (resting) poor = bytes < muchBytes ? poor + 1 : 0;
				if (poor === 2) [poor, sinceTwoPoor] = [0, 0];
				resting = pacing.rests(bytes);
				if (sinceTwoPoor < 256) expect(resting).toBe(false);
				sinceTwoPoor++;
			}
		}),
	);
});
