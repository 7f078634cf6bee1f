import type { Clock } from "../../common/clock.ts";
import type { Logger } from "../../common/log.ts";
import type { Bus } from "../../events/bus.ts";
import { drainRepeatMs } from "../../events/drain-request.ts";
import { type PoolKey, partsOf } from "../pool-key.ts";
import type { DaemonWord } from "../verify/daemon-word.ts";
import type { DrainVerdict } from "./drain-verdict.ts";

export interface DrainsOptions {
	readonly bus: Bus;
	readonly clock: Clock;
	readonly log: Logger;
	readonly verdict: (key: PoolKey, daemon: string, askedAt: number) => DrainVerdict;
	/** Asks a daemon for its builds; answers within `limitMs`. Undefined: the proxies are believed. */
	readonly ask: ((address: string, limitMs: number) => Promise<DaemonWord>) | undefined;
}

/** Where a drain stands. */
export type DrainAnswer =
	| { readonly t: "drained" }
	/** It goes on: the caller should ask again. */
	| { readonly t: "busy"; readonly why: string }
	| { readonly t: "unclear"; readonly why: string }
	| { readonly t: "foreign"; readonly why: string };

/** How long a call may take. The next one goes on where it ended, with any scaler. */
const callMs = 20_000;
/** Calls at once; well below the connections of the admin server. */
const maxCalls = 512;
const askMs = 800;
/** How often a daemon is asked again that the proxies are done with, and that still builds or cannot be asked. */
const askAgainMs = 1_000;

/** Waits, for whoever wants a daemon to end, until no build is on it; no proxy gives it new ones meanwhile. */
export class Drains {
	readonly #options: DrainsOptions;
	/** What wakes the calls of each pool. */
	readonly #calls = new Map<PoolKey, Set<() => void>>();
	#open = 0;
	#stopped = false;

	constructor(options: DrainsOptions) {
		this.#options = options;
	}

	/** Resolves within 20 s. Any number of calls may be for the same daemon. */
	async drain(key: PoolKey, daemon: string, left: AbortSignal): Promise<DrainAnswer> {
		if (this.#open >= maxCalls) return { t: "unclear", why: `${maxCalls} daemons are being drained already` };
		const { bus, clock, verdict, log } = this.#options;
		const askedAt = clock.now();
		const askToDrain = () => {
			bus.askToDrain({ ...partsOf(key), daemon });
			return clock.after(drainRepeatMs, () => {
				repeat = askToDrain();
			});
		};
		this.#open++;
		let repeat = askToDrain();
		try {
			while (true) {
				let answer = answerOf(verdict(key, daemon, askedAt), daemon);
				let waitMs = callMs;
				if (answer.t === "released") {
					answer = await this.#askItself(daemon, answer.address);
					waitMs = askAgainMs;
				}
				const restMs = askedAt + callMs - clock.now();
				if (answer.t === "drained") log.info({ pool: key, daemon }, "drained");
				if (answer.t === "drained" || answer.t === "foreign" || restMs <= 0 || left.aborted) return answer;
				if (this.#stopped) return { t: "unclear", why: "this scaler is stopping" };
				await this.#changedWithin(key, Math.min(waitMs, restMs), left);
			}
		} finally {
			repeat.cancel();
			this.#open--;
		}
	}

	/** To be called whenever something was heard of the pool. */
	changed(key: PoolKey): void {
		for (const wake of this.#calls.get(key) ?? []) wake();
	}

	/** The same for every pool. */
	allChanged(): void {
		for (const key of this.#calls.keys()) this.changed(key);
	}

	/** Answers every call. */
	stop(): void {
		this.#stopped = true;
		this.allChanged();
	}

	async #askItself(daemon: string, address: string): Promise<DrainAnswer> {
		const word = await this.#options.ask?.(address, askMs);
		if (word === undefined || word.t === "down") return { t: "drained" };
		if (word.t === "unknown") return { t: "unclear", why: `${daemon} cannot be asked: ${word.why}` };
		if (word.count === 0) return { t: "drained" };
		return { t: "busy", why: `${buildsAre(word.count)} on ${daemon} that came around the proxies` };
	}

	#changedWithin(key: PoolKey, waitMs: number, left: AbortSignal): Promise<void> {
		const { promise, resolve } = Promise.withResolvers<void>();
		const calls = this.#calls.get(key) ?? new Set();
		this.#calls.set(key, calls.add(resolve));
		const timer = this.#options.clock.after(waitMs, resolve);
		const leave = () => resolve();
		left.addEventListener("abort", leave);
		return promise.finally(() => {
			timer.cancel();
			left.removeEventListener("abort", leave);
			calls.delete(resolve);
			if (calls.size === 0 && this.#calls.get(key) === calls) this.#calls.delete(key);
		});
	}
}

function answerOf(
	verdict: DrainVerdict,
	daemon: string,
): DrainAnswer | Extract<DrainVerdict, { t: "released" }> {
	return verdict.t === "busy" ? { t: "busy", why: `${buildsAre(verdict.builds)} on ${daemon}` } : verdict;
}

function buildsAre(count: number): string {
	return count === 1 ? "1 build is" : `${count} builds are`;
}
