import { closeSync, openSync, readSync } from "node:fs";

const PT_INTERP = 3;

/** True for a program that needs no dynamic loader (64-bit little-endian ELF, as on amd64 and arm64). */
export function isStaticElf(path: string): boolean {
	const head = readHead(path, 4096);
	const magic = head.length >= 64 && head.readUInt32BE(0) === 0x7f454c46;
	if (!magic || head[4] !== 2 || head[5] !== 1) return false;
	const tableStart = Number(head.readBigUInt64LE(32));
	const entrySize = head.readUInt16LE(54);
	const entries = head.readUInt16LE(56);
	for (let i = 0; i < entries; i++) {
		const at = tableStart + i * entrySize;
		if (at + 4 > head.length) return false;
		if (head.readUInt32LE(at) === PT_INTERP) return false;
	}
	return true;
}

function readHead(path: string, length: number): Buffer {
	const file = openSync(path, "r");
	try {
		const buffer = Buffer.alloc(length);
		return buffer.subarray(0, readSync(file, buffer, 0, length, 0));
	} finally {
		closeSync(file);
	}
}
