/** Lets `burst` pass at once and one more every `refillMs`: what is rare is free, what never ends is not. Pure. */
export class TokenBucket {
	readonly #burst: number;
	readonly #refillMs: number;
	#tokens: number;
	#at: number;

	constructor(burst: number, refillMs: number, now: number) {
		this.#burst = burst;
		this.#refillMs = refillMs;
		this.#tokens = burst;
		this.#at = now;
	}

	/** Whether one more may pass now. */
	take(now: number): boolean {
		this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) / this.#refillMs);
		this.#at = now;
		if (this.#tokens < 1) return false;
		this.#tokens--;
		return true;
	}
}
