import { readSync } from "node:fs";
import { fromCLibrary } from "./c-library.ts";

/** What became of bytes that were to go from one socket to another. */
export interface Moved {
	/** So many were taken from the one socket. */
	readonly bytes: number;
	/** Those of them that the other had no room for. */
	readonly left: Buffer | undefined;
}

/** What it takes at a time: as much as a pipe may hold that anybody makes (fs.pipe-max-size, pipe(7)). */
const pipeBytes = 2 ** 20;

/** From fcntl.h. */
const oNonblock = 0o4000;
const oCloexec = 0o2000000;
const setPipeSize = 1031;
const spliceMove = 1;
const spliceNonblock = 2;

const nothing: Moved = { bytes: 0, left: undefined };

const definitions = {
	pipe2: { arguments: ["pointer", "i32"], return: "i32" },
	fcntl: { arguments: ["i32", "i32", "i32"], return: "i32" },
	// Its result is a ssize_t, but never more than `pipeBytes`.
	splice: { arguments: ["i32", "u64", "i32", "u64", "u64", "u32"], return: "i32" },
} as const;

let opened: KernelPipe | NoPipe | undefined;

/** The process's own, made with the first call, or why bytes are copied here. */
export function kernelPipe(): KernelPipe | NoPipe {
	opened ??= KernelPipe.open();
	return opened;
}

interface NoPipe {
	readonly reason: string;
}

type Splice = (from: number, to: number, bytes: number) => number;

/**
 * Moves bytes from socket to socket within the kernel, which lends their pages instead of copying them twice
 * (splice(2)). Empty between calls, so one serves all sockets of a process.
 */
export class KernelPipe {
	readonly #splice: Splice;
	readonly #out: number;
	readonly #in: number;

	private constructor(splice: Splice, [out, into]: readonly [number, number]) {
		this.#splice = splice;
		this.#out = out;
		this.#in = into;
	}

	static open(): KernelPipe | NoPipe {
		const c = fromCLibrary(definitions);
		if (!c.ok) return c;
		const { pipe2, fcntl, splice } = c.functions;
		const ends = new Int32Array(2);
		if (pipe2(ends, oCloexec | oNonblock) !== 0) return { reason: "pipe2(2) failed" };
		const [out = -1, into = -1] = ends;
		// It may be refused; a smaller one takes more calls.
		fcntl(into, setPipeSize, pipeBytes);
		return new KernelPipe(
			(from, to, bytes) => splice(from, 0n, to, 0n, BigInt(bytes), spliceMove | spliceNonblock),
			[out, into],
		);
	}

	/** Moves what has come; errors and the end of `from`, as of `to`, are left to whoever reads or writes next. */
	move(from: number, to: number): Moved {
		const bytes = this.#splice(from, this.#in, pipeBytes);
		if (bytes <= 0) return nothing;
		let given = 0;
		while (given < bytes) {
			const taken = this.#splice(this.#out, to, bytes - given);
			if (taken <= 0) break;
			given += taken;
		}
		return { bytes, left: given === bytes ? undefined : this.#read(bytes - given) };
	}

	/** Takes out what is in it. */
	#read(length: number): Buffer {
		const bytes = Buffer.allocUnsafeSlow(length);
		for (let at = 0; at < length; ) at += readSync(this.#out, bytes, at, length - at, null);
		return bytes;
	}
}
