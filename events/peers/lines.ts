/** Splits a byte stream at its newlines, whatever its chunks are. */
export class Lines {
	readonly #maxBytes: number;
	readonly #line: (line: Uint8Array) => void;
	#rest: Uint8Array[] = [];
	#restBytes = 0;

	/** A line longer than `maxBytes` makes `push` throw. */
	constructor(maxBytes: number, line: (line: Uint8Array) => void) {
		this.#maxBytes = maxBytes;
		this.#line = line;
	}

	push(chunk: Uint8Array): void {
		let from = 0;
		for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
			this.#keep(chunk.subarray(from, at));
			const line = this.#rest.length === 1 ? this.#rest[0] : Buffer.concat(this.#rest);
			this.#rest = [];
			this.#restBytes = 0;
			if (line !== undefined) this.#line(line);
			from = at + 1;
		}
		if (from < chunk.length) this.#keep(chunk.subarray(from));
	}

	#keep(part: Uint8Array): void {
		this.#restBytes += part.length;
		if (this.#restBytes > this.#maxBytes) throw new Error(`a line of more than ${this.#maxBytes} bytes`);
		this.#rest.push(part);
	}
}
