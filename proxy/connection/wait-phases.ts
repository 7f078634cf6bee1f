/**
 * What a build waits for, in this order. Together the phases are its whole wait, from its first request to its daemon's
 * first frame:
 *
 * - `wake`: no daemon was up. It ends when one accepts a connection.
 * - `queue`: a daemon was up, and none had room; until the connect that brought its daemon was begun. What was lost on
 *   a daemon that failed counts here too.
 * - `dial`: that connect was under way.
 * - `firstByte`: the daemon had accepted and been sent what the client said; until its first frame.
 */
export const waitPhases = ["wake", "queue", "dial", "firstByte"] as const;
type WaitPhase = (typeof waitPhases)[number];

/** Each phase in ms. */
export type WaitTimes = Readonly<Record<WaitPhase, number>>;

/** Adds up for how long no daemon of a pool was up, so that the part of each wait is a subtraction. */
export class AsleepTime {
	#totalMs = 0;
	#since: number | undefined;

	constructor(now: number) {
		this.#since = now;
	}

	/** Told after each change; telling it the same twice changes nothing. */
	update(isUp: boolean, now: number): void {
		if (isUp === (this.#since === undefined)) return;
		this.#totalMs = this.total(now);
		this.#since = isUp ? undefined : now;
	}

	total(now: number): number {
		return this.#totalMs + (this.#since === undefined ? 0 : now - this.#since);
	}
}

/** One build's wait, as it goes. */
export class BuildWait {
	readonly #asleep: AsleepTime;
	readonly #openedAt: number;
	readonly #asleepBefore: number;
	#assigned: (Omit<WaitTimes, "firstByte"> & { readonly at: number }) | undefined;

	constructor(openedAt: number, asleep: AsleepTime) {
		this.#asleep = asleep;
		this.#openedAt = openedAt;
		this.#asleepBefore = asleep.total(openedAt);
	}

	/** A daemon accepted, on a connect that was begun at `dialBegunAt`, maybe for somebody else. */
	assigned(at: number, dialBegunAt: number): void {
		const wake = this.#wake(at);
		const rest = at - this.#openedAt - wake;
		const dial = Math.min(at - Math.max(dialBegunAt, this.#openedAt), rest);
		this.#assigned = { at, wake, queue: rest - dial, dial };
	}

	/** The daemon failed before its first frame. */
	returned(): void {
		this.#assigned = undefined;
	}

	/** The phases until the wait ended, or until now. */
	times(until: number): WaitTimes {
		if (this.#assigned === undefined) {
			const wake = this.#wake(until);
			return { wake, queue: until - this.#openedAt - wake, dial: 0, firstByte: 0 };
		}
		const { at, wake, queue, dial } = this.#assigned;
		return { wake, queue, dial, firstByte: until - at };
	}

	#wake(until: number): number {
		return this.#asleep.total(until) - this.#asleepBefore;
	}
}
