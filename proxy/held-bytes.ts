/** What a waiting client has sent for its daemon, in order, up to a limit. */
export class HeldBytes {
	readonly #maxBytes: number;
	#chunks: Buffer[] = [];
	#length = 0;

	constructor(maxBytes: number) {
		this.#maxBytes = maxBytes;
	}

	/** Keeps a copy and returns it; undefined when that would be more than the limit. */
	add(bytes: Uint8Array): Buffer | undefined {
		this.#length += bytes.length;
		if (this.#length > this.#maxBytes) return undefined;
		const copy = Buffer.from(bytes);
		this.#chunks.push(copy);
		return copy;
	}

	/** Everything; it stays, for the next daemon. */
	all(): Buffer {
		return Buffer.concat(this.#chunks);
	}

	clear(): void {
		this.#chunks = [];
	}
}
