/** A seeded source of chance (mulberry32). */
export class Random {
	readonly #seed: number;
	#state: number;

	constructor(seed: number) {
		this.#seed = seed >>> 0;
		this.#state = this.#seed;
	}

	/** From 0 up to, but not, 1. */
	next(): number {
		this.#state = (this.#state + 0x6d2b79f5) >>> 0;
		let mixed = this.#state;
		mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	}

	/** A whole number, both ends included. */
	int(min: number, max: number): number {
		return min + Math.floor(this.next() * (max - min + 1));
	}

	/** Small ones are as likely as large ones: ms and minutes both happen. */
	magnitude(min: number, max: number): number {
		return Math.round(min * (max / min) ** this.next());
	}

	chance(probability: number): boolean {
		return this.next() < probability;
	}

	pick<T>(items: readonly [T, ...T[]]): T {
		return items[this.int(0, items.length - 1)] ?? items[0];
	}

	/** One of its own for each label, so that what happens at one place does not change the chances of another. */
	fork(label: string): Random {
		let hash = (this.#seed ^ 0x811c9dc5) >>> 0;
		for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193) >>> 0;
		return new Random(hash);
	}
}
