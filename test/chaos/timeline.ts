import { createWriteStream, type WriteStream } from "node:fs";

interface Moment {
	/** `performance.now`. */
	readonly atMs: number;
	readonly what: string;
}

/** What happened, in order: all of it in a file, the end of it at hand. */
export class Timeline {
	readonly #file: WriteStream;
	readonly #startedAt = performance.now();
	readonly #last: Moment[] = [];
	readonly #kept: number;

	constructor(path: string, kept = 60) {
		this.#file = createWriteStream(path);
		this.#kept = kept;
	}

	/** @param atMs - `performance.now` of what is told late. */
	mark(what: string, atMs = performance.now()): void {
		const moment = { atMs, what };
		this.#file.write(`${this.#line(moment)}\n`);
		this.#last.push(moment);
		if (this.#last.length > this.#kept) this.#last.shift();
	}

	/** The latest moments, a line each. */
	last(): string[] {
		return this.#last.map((moment) => this.#line(moment));
	}

	/** Seconds since the start, as in the lines. */
	seconds(atMs: number): string {
		return ((atMs - this.#startedAt) / 1_000).toFixed(2);
	}

	close(): Promise<void> {
		return new Promise((resolve) => this.#file.end(resolve));
	}

	#line({ atMs, what }: Moment): string {
		return `${this.seconds(atMs).padStart(8)} s  ${what}`;
	}
}
