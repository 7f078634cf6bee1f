import { randomFillSync } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";

/** Writes a file that nothing can compress. */
export function writeRandomFile(path: string, sizeMib: number): void {
	const block = Buffer.alloc(2 ** 20);
	const file = openSync(path, "w");
	try {
		for (let written = 0; written < sizeMib; written++) writeSync(file, randomFillSync(block));
	} finally {
		closeSync(file);
	}
}
