import type { Clock, Timer } from "../../common/clock.ts";
import { ScalerError } from "../../common/error.ts";
import type { Logger } from "../../common/log.ts";
import { OnceAMinute } from "../../common/once-a-minute.ts";
import { type PoolKey, partsOf } from "../pool-key.ts";

/** Says what a pod costs to delete; that it is gone is no failure. Rejects when that cannot be written. */
export type WriteCost = (
	pod: { readonly namespace: string; readonly name: string },
	cost: number,
	signal: AbortSignal,
) => Promise<void>;

export interface DeletionCostsOptions {
	readonly clock: Clock;
	readonly log: Logger;
	/** Builds on each pod of the pool that has no ordinal and stays; only such pods go by their cost. */
	readonly builds: (key: PoolKey) => ReadonlyMap<string, number>;
	readonly write: WriteCost;
}

/**
 * How often the costs of a pool are written, for each write wakes whoever watches pods. The first change after a calm time is
 * written at once: the HPA may look a moment after a build has ended, and of pods that cost the same the youngest goes.
 */
const roundMs = 5_000;
/** Writes of a pool at each time; the busiest pods that are not right yet are first. */
const maxWrites = 50;
const maxAtOnce = 8;
const writeMs = 3_000;

interface Round {
	/** What is known to be written; a pod that is not in it may have the cost of an earlier scaler's time. */
	readonly written: Map<string, number>;
	/** Set while a round waits or is under way. */
	timer: Timer | undefined;
}

/** Keeps the pod-deletion-cost of a Deployment's pods at the number of their builds, so that idle ones go first. */
export class DeletionCosts {
	readonly #options: DeletionCostsOptions;
	readonly #pools = new Map<PoolKey, Round>();
	readonly #failures: OnceAMinute;
	readonly #closed = new AbortController();

	constructor(options: DeletionCostsOptions) {
		this.#options = options;
		this.#failures = new OnceAMinute(options.clock);
	}

	/** To be called whenever something was heard of the pool. */
	changed(key: PoolKey): void {
		if (this.#closed.signal.aborted) return;
		const round: Round = this.#pools.get(key) ?? { written: new Map(), timer: undefined };
		if (round.timer !== undefined || !this.#hasChanges(key, round)) return;
		this.#pools.set(key, round);
		this.#begin(key, round);
	}

	close(): void {
		this.#closed.abort();
		for (const { timer } of this.#pools.values()) timer?.cancel();
		this.#pools.clear();
	}

	#begin(key: PoolKey, round: Round): void {
		// The next round is after this one's time, however long its writes take.
		const writes = this.#write(key, round.written);
		round.timer = this.#options.clock.after(roundMs, async () => {
			await writes;
			if (this.#closed.signal.aborted) return;
			round.timer = undefined;
			if (this.#hasChanges(key, round)) this.#begin(key, round);
		});
	}

	#hasChanges(key: PoolKey, { written }: Round): boolean {
		return changesOf(this.#options.builds(key), written).length > 0;
	}

	async #write(key: PoolKey, written: Map<string, number>): Promise<void> {
		const { log, builds, write } = this.#options;
		const { namespace } = partsOf(key);
		const now = builds(key);
		for (const name of written.keys()) if (!now.has(name)) written.delete(name);
		const waiting = changesOf(now, written).slice(0, maxWrites);
		const writeInTurn = async () => {
			for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
				const [name, cost] = next;
				try {
					const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(writeMs)]);
					await write({ namespace, name }, cost, signal);
					written.set(name, cost);
				} catch (error) {
					if (this.#closed.signal.aborted || this.#failures.admit(key) === undefined) continue;
					const { message } = ScalerError.from(error);
					log.warn({ pool: key, pod: name, error: message }, "pod-deletion-cost cannot be written");
				}
			}
		};
		await Promise.all(Array.from({ length: maxAtOnce }, writeInTurn));
	}
}

function changesOf(
	builds: ReadonlyMap<string, number>,
	written: ReadonlyMap<string, number>,
): [name: string, cost: number][] {
	return [...builds].filter(([name, cost]) => written.get(name) !== cost).sort(([, a], [, b]) => b - a);
}
