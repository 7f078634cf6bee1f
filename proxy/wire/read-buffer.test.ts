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

function bulk(kernelMoves = true): ReadBuffer {
	const reads = new ReadBuffer(() => kernelMoves);
	reads.own();
	fill(reads, 4);
	return reads;
}

test("nobody has a buffer while it is held, whatever it sends", () => {
	const reads = new ReadBuffer(() => true);
	fill(reads, 100);
	expect(isShared(reads.buffer)).toBe(true);
	expect(reads.isLeftToKernel).toBe(false);
});

test("small messages get a small one after a few reads", () => {
	const reads = new ReadBuffer(() => true);
	reads.own();
	for (let read = 0; read < 7; read++) reads.afterRead(100);
	expect(isShared(reads.buffer)).toBe(true);
	reads.afterRead(100);
	expect(isShared(reads.buffer)).toBe(false);
	expect(reads.buffer.length).toBe(4 * KiB);
	for (let read = 0; read < 100; read++) reads.afterRead(100);
	expect(reads.buffer.length).toBe(4 * KiB);
});

test("bulk gets larger ones, and then the kernel moves it, all but the first of each arrival", () => {
	const reads = new ReadBuffer(() => true);
	reads.own();
	expect(fill(reads, 4)).toEqual([64 * KiB, 64 * KiB, 256 * KiB, 512 * KiB]);
	expect(reads.isLeftToKernel).toBe(true);
	expect(reads.buffer.length).toBe(16 * KiB);
	for (let arrival = 0; arrival < 100; arrival++) {
		reads.afterRead(16 * KiB);
		reads.afterArrival(300 * KiB);
	}
	expect(reads.buffer.length).toBe(16 * KiB);
});

test("where the kernel cannot move it, it stays with the largest", () => {
	const reads = bulk(false);
	expect(fill(reads, 3)).toEqual([512 * KiB, 512 * KiB, 512 * KiB]);
	expect(reads.isLeftToKernel).toBe(false);
});

test("sixteen small arrivals in a row, and it is an ordinary direction again, which may become bulk once more", () => {
	const reads = bulk();
	for (let arrival = 0; arrival < 15; arrival++) reads.afterArrival(16 * KiB);
	reads.afterArrival(17 * KiB);
	for (let arrival = 0; arrival < 15; arrival++) reads.afterArrival(100);
	expect(reads.isLeftToKernel).toBe(true);
	reads.afterArrival(100);
	expect(reads.isLeftToKernel).toBe(false);
	expect(fill(reads, 3)).toEqual([64 * KiB, 256 * KiB, 512 * KiB]);
	expect(reads.isLeftToKernel).toBe(true);
});
