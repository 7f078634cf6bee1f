import { closeSync, readSync } from "node:fs";
import { fromCLibrary } from "./c-library.ts";

/** As much as a pipe may hold that anybody makes (fs.pipe-max-size, pipe(7)). */
const pipeBytes = 2 ** 20;
/** All that hold bytes together may take 64 MiB: what Linux allows a user that is not root (fs.pipe-user-pages-soft). */
const maxFilled = 64;
const maxSpare = 4;

/** From fcntl.h. */
const oNonblock = 0o4000;
const oCloexec = 0o2000000;
const setPipeSize = 1031;
const spliceMove = 1;
const spliceNonblock = 2;

const definitions = {
	pipe2: { arguments: ["pointer", "i32"], return: "i32" },
	fcntl: { arguments: ["i32", "i32", "i32"], return: "i32" },
	// Its result is a ssize_t, but never more than `pipeBytes`.
	splice: { arguments: ["i32", "u64", "i32", "u64", "u64", "u32"], return: "i32" },
} as const;

type Splice = (from: number, to: number, bytes: number) => number;

/** A pipe's bytes on their way from one socket to another, which the kernel lends instead of copying them twice (splice(2)). */
export class KernelPipe {
	/** What it holds. */
	bytes = 0;
	readonly #splice: Splice;
	readonly #out: number;
	readonly #in: number;

	constructor(splice: Splice, [out, into]: readonly [number, number]) {
		this.#splice = splice;
		this.#out = out;
		this.#in = into;
	}

	/** Takes in what has come, and returns how much; errors and the end of `from` are left to whoever reads it next. */
	fill(from: number): number {
		const taken = Math.max(this.#splice(from, this.#in, pipeBytes), 0);
		this.bytes += taken;
		return taken;
	}

	/** Gives what `to` has room for; its errors are left to whoever writes to it next. */
	give(to: number): void {
		while (this.bytes > 0) {
			const given = this.#splice(this.#out, to, this.bytes);
			if (given <= 0) return;
			this.bytes -= given;
		}
	}

	/** Takes out the first bytes, at most so many. */
	read(maxBytes: number): Buffer {
		const bytes = Buffer.allocUnsafeSlow(Math.min(this.bytes, maxBytes));
		for (let at = 0; at < bytes.length; ) at += readSync(this.#out, bytes, at, bytes.length - at, null);
		this.bytes -= bytes.length;
		return bytes;
	}

	/** Gone, with all that it holds. */
	close(): void {
		closeSync(this.#out);
		closeSync(this.#in);
	}
}

/** The pipes of a process: lent for a move, and for as long after it as they hold something. */
export class KernelPipes {
	readonly #open: () => KernelPipe | undefined;
	readonly #spare: KernelPipe[] = [];
	#lent = 0;

	constructor(open: () => KernelPipe | undefined) {
		this.#open = open;
	}

	/** An empty one, to be given back; undefined when too many hold something, or the process may open no more files. */
	lend(): KernelPipe | undefined {
		if (this.#lent >= maxFilled) return;
		const pipe = this.#spare.pop() ?? this.#open();
		if (pipe !== undefined) this.#lent++;
		return pipe;
	}

	/** What it holds is nobody's any more. */
	takeBack(pipe: KernelPipe): void {
		this.#lent--;
		if (pipe.bytes === 0 && this.#spare.length < maxSpare) this.#spare.push(pipe);
		else pipe.close();
	}
}

interface NoPipes {
	readonly reason: string;
}

let opened: KernelPipes | NoPipes | undefined;

/** The process's own, or why bytes are copied here. */
export function kernelPipes(): KernelPipes | NoPipes {
	opened ??= openPipes();
	return opened;
}

function openPipes(): KernelPipes | NoPipes {
	const c = fromCLibrary(definitions);
	if (!c.ok) return c;
	const { pipe2, fcntl, splice } = c.functions;
	const spliceNow: Splice = (from, to, bytes) =>
		splice(from, 0n, to, 0n, BigInt(bytes), spliceMove | spliceNonblock);
	return new KernelPipes(() => {
		const ends = new Int32Array(2);
		if (pipe2(ends, oCloexec | oNonblock) !== 0) return;
		const [out = -1, into = -1] = ends;
		// It may be refused; a smaller one takes more calls.
		fcntl(into, setPipeSize, pipeBytes);
		return new KernelPipe(spliceNow, [out, into]);
	});
}
