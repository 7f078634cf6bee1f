/** Most clients say 219 bytes or less before their daemon answers. */
const firstBytes = 512;

/** What all held clients of a proxy may cost together. Counts memory, not bytes: what was allocated to hold them. */
export class HeldBudget {
	readonly #maxBytes: number;
	#takenBytes = 0;

	constructor(maxBytes: number) {
		this.#maxBytes = maxBytes;
	}

	get takenBytes(): number {
		return this.#takenBytes;
	}

	take(bytes: number): boolean {
		if (this.#takenBytes + bytes > this.#maxBytes) return false;
		this.#takenBytes += bytes;
		return true;
	}

	give(bytes: number): void {
		this.#takenBytes -= bytes;
	}
}

/** Why bytes were not kept: this client has sent too much, or all of them together have. */
export type NotHeld = "heldTooMuch" | "holdFull";

/**
 * What a waiting client has sent for its daemon, in order, up to a limit. In one piece, so that many small frames cost
 * no more than their bytes.
 */
export class HeldBytes {
	readonly #maxBytes: number;
	readonly #budget: HeldBudget;
	#buffer = Buffer.alloc(0);
	#length = 0;

	constructor(maxBytes: number, budget: HeldBudget) {
		this.#maxBytes = maxBytes;
		this.#budget = budget;
	}

	/** Keeps a copy and returns it. */
	add(bytes: Uint8Array): Buffer | NotHeld {
		const end = this.#length + bytes.length;
		if (end > this.#maxBytes) return "heldTooMuch";
		if (end > this.#buffer.length && !this.#grow(end)) return "holdFull";
		this.#buffer.set(bytes, this.#length);
		const copy = this.#buffer.subarray(this.#length, end);
		this.#length = end;
		return copy;
	}

	/** Everything; it stays, for the next daemon. */
	all(): Buffer {
		return this.#buffer.subarray(0, this.#length);
	}

	clear(): void {
		this.#budget.give(this.#buffer.length);
		this.#buffer = Buffer.alloc(0);
		this.#length = 0;
	}

	/** Into a new buffer: a daemon may still be being sent the old one. */
	#grow(needed: number): boolean {
		const size = Math.max(firstBytes, Math.min(2 ** Math.ceil(Math.log2(needed)), this.#maxBytes));
		if (!this.#budget.take(size - this.#buffer.length)) return false;
		const larger = Buffer.allocUnsafeSlow(size);
		larger.set(this.all());
		this.#buffer = larger;
		return true;
	}
}
