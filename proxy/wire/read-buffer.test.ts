import { expect, test } from "vitest";
import { isShared, ReadBuffer } from "./read-buffer.ts";

const KiB = 1024;

/** Reads that fill their buffers, and how large each was. */
function fill(reads: ReadBuffer, count: number): number[] {
	return Array.from({ length: count }, () => {
		const { length } = reads.buffer;
		reads.afterRead(length);
		return length;
	});
}

test("nobody has a buffer while it is held, whatever it sends", () => {
	const reads = new ReadBuffer();
	fill(reads, 100);
	expect(isShared(reads.buffer)).toBe(true);
});

test("small messages get a small one after a few reads", () => {
	const reads = new ReadBuffer();
	reads.own();
	for (let read = 0; read < 7; read++) reads.afterRead(100);
	expect(isShared(reads.buffer)).toBe(true);
	reads.afterRead(100);
	expect(isShared(reads.buffer)).toBe(false);
	expect(reads.buffer.length).toBe(4 * KiB);
	for (let read = 0; read < 100; read++) reads.afterRead(100);
	expect(reads.buffer.length).toBe(4 * KiB);
});

test("bulk gets larger ones, up to a limit", () => {
	const reads = new ReadBuffer();
	reads.own();
	const sizes = [64, 64, 256, 512, 512, 512].map((size) => size * KiB);
	expect(fill(reads, sizes.length)).toEqual(sizes);
});
