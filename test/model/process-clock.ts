import type { Clock, Timer } from "../../common/clock.ts";
import type { SimTime } from "./sim-time.ts";

const epochMs = Date.UTC(2026, 0, 1);

/** The clock of one process: its own zero, its node's idea of the date, and no timer outlives a kill. */
export class ProcessClock implements Clock {
	readonly #time: SimTime;
	readonly #startedAt: number;
	readonly #skewMs: number;
	#alive = true;

	constructor(time: SimTime, skewMs: number) {
		this.#time = time;
		this.#startedAt = time.now;
		this.#skewMs = skewMs;
	}

	now(): number {
		return this.#time.now - this.#startedAt;
	}

	wallTime(): number {
		return Math.floor(epochMs + this.#time.now + this.#skewMs);
	}

	after(delayMs: number, fire: () => void): Timer {
		return this.#time.after(delayMs, () => {
			if (this.#alive) fire();
		});
	}

	kill(): void {
		this.#alive = false;
	}
}
