import type { Clock, Timer } from "../../common/clock.ts";

interface Pending {
	readonly at: number;
	readonly fire: () => void;
}

/** A clock that stands still until `advance` moves it; timers fire in order, at their own time. */
export class ManualClock implements Clock {
	readonly #pending = new Set<Pending>();
	readonly #startedAt: number;
	#now = 0;

	constructor(startedAt: number = Date.UTC(2026, 0, 1)) {
		this.#startedAt = startedAt;
	}

	/** Timers that have neither fired nor been cancelled. */
	get pending(): number {
		return this.#pending.size;
	}

	now(): number {
		return this.#now;
	}

	wallTime(): number {
		return this.#startedAt + this.#now;
	}

	after(delayMs: number, fire: () => void): Timer {
		const timer = { at: this.#now + Math.max(delayMs, 0), fire };
		this.#pending.add(timer);
		return { cancel: () => void this.#pending.delete(timer) };
	}

	/** Moves on by `ms`. What a timer started on the way fires too, when it is due. Promises do not run in between. */
	advance(ms: number): void {
		const end = this.#now + ms;
		for (let next = this.#nextUntil(end); next !== undefined; next = this.#nextUntil(end)) {
			this.#pending.delete(next);
			this.#now = next.at;
			next.fire();
		}
		this.#now = end;
	}

	#nextUntil(end: number): Pending | undefined {
		let next: Pending | undefined;
		for (const timer of this.#pending) {
			if (timer.at <= end && (next === undefined || timer.at < next.at)) next = timer;
		}
		return next;
	}
}
