import type { SystemCalls } from "./system-calls.ts";

/** As much as a pipe may hold that anybody makes (fs.pipe-max-size, pipe(7)). */
const pipeBytes = 2 ** 20;
/** All that hold bytes together may take 64 MiB: what Linux allows a user that is not root (fs.pipe-user-pages-soft). */
const maxFilled = 64;
const maxSpare = 4;

/** A pipe's bytes on their way from one socket to another, which the kernel lends instead of copying them twice (splice(2)). */
export class KernelPipe {
	/** What it holds. */
	bytes = 0;
	readonly #calls: Pick<SystemCalls, "splice" | "close">;
	readonly #out: number;
	readonly #in: number;

	constructor(calls: Pick<SystemCalls, "splice" | "close">, [out, into]: readonly [number, number]) {
		this.#calls = calls;
		this.#out = out;
		this.#in = into;
	}

	/** Takes in what has come. Returns how much: 0 when `from` has ended, and the error's negative number when it failed. */
	fill(from: number): number {
		const taken = this.#calls.splice(from, this.#in, pipeBytes);
		this.bytes += Math.max(taken, 0);
		return taken;
	}

	/** Gives what `to` has room for. Returns the error's negative number when that failed, EAGAIN too; else 0. */
	give(to: number): number {
		while (this.bytes > 0) {
			const given = this.#calls.splice(this.#out, to, this.bytes);
			if (given < 0) return given;
			this.bytes -= given;
		}
		return 0;
	}

	/** Gone, with all that it holds. */
	close(): void {
		this.#calls.close(this.#out);
		this.#calls.close(this.#in);
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

	static of(calls: SystemCalls): KernelPipes {
		return new KernelPipes(() => {
			const ends = calls.pipe(pipeBytes);
			return ends === undefined ? undefined : new KernelPipe(calls, ends);
		});
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
