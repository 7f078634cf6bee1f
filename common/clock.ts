/** A timer that was started; `cancel` may be called more than once and after it fired. */
export interface Timer {
	cancel(): void;
}

/** Time, passed in, so that tests and simulations move it by hand. */
export interface Clock {
	/** Monotonic milliseconds; only differences mean something. */
	now(): number;
	/** Milliseconds since 1970, for people and other machines to read. */
	wallTime(): number;
	/** Calls `fire` once, `delayMs` from now. */
	after(delayMs: number, fire: () => void): Timer;
}

export const systemClock: Clock = {
	now: () => performance.now(),
	wallTime: () => Date.now(),
	after(delayMs, fire) {
		const timeout = setTimeout(fire, delayMs);
		return { cancel: () => clearTimeout(timeout) };
	},
};
