import { backoffDelayMs } from "../../common/backoff.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import { ScalerError } from "../../common/error.ts";
import type { Logger } from "../../common/log.ts";
import { OnceAMinute } from "../../common/once-a-minute.ts";
import type { Demand } from "../demand.ts";
import type { MetricOptions } from "../metric.ts";
import { type PoolKey, partsOf } from "../pool-key.ts";
import type { Raised } from "./raise.ts";
import { wantedReplicas } from "./wanted-replicas.ts";

/**
 * A burst has gathered when for so long no client came that needs one daemon more, or so long after its first. By then
 * KEDA has written its first replica, as it was pushed at once.
 */
const quietMs = 300;
const gatherMs = 1_000;
/**
 * From one look to the next while a burst has too few daemons: KEDA that was slow may have put its 1 over ours, and what
 * failed is tried again.
 */
const again = { firstMs: 500, maxMs: 15_000 };
/** One attempt, with all its calls. */
const raiseMs = 5_000;

export interface BurstAssistOptions {
	readonly clock: Clock;
	readonly log: Logger;
	readonly demand: (key: PoolKey) => Demand;
	/** Sets at least so many replicas for a ScaledObject. */
	readonly raise: (
		wanted: number,
		name: { readonly namespace: string; readonly name: string },
		signal: AbortSignal,
	) => Promise<Raised>;
	readonly onRaise: (outcome: Raised["t"] | "failed") => void;
}

/** A ScaledObject that has a stream open here, which is how KEDA shows that it is at work on it. */
interface Assisted {
	readonly name: string;
	options: MetricOptions;
	streams: number;
	/** More replicas than this KEDA does not allow, as far as it is known. */
	max: number;
	/** The number that was tried last. */
	tried: number;
	/** Looks since then that were about this number. */
	looks: number;
	lookedAt: number;
	next: Next;
}

type Next =
	| { readonly t: "nothing" }
	| { readonly t: "gathering"; readonly timer: Timer; readonly since: number; readonly wanted: number }
	/** Some time after the last look. */
	| { readonly t: "again"; readonly timer: Timer }
	| { readonly t: "looking" };

const nothing: Next = { t: "nothing" };

/**
 * Sets all daemons that a burst needs at once, where KEDA and its HPA would set one, and the rest at the HPA's next look.
 * Only ever upwards, only while KEDA is told that the pool is active, and only to what the HPA will come to.
 */
export class BurstAssist {
	readonly #options: BurstAssistOptions;
	readonly #pools = new Map<PoolKey, Map<string, Assisted>>();
	readonly #failures: OnceAMinute;
	readonly #closed = new AbortController();

	constructor(options: BurstAssistOptions) {
		this.#options = options;
		this.#failures = new OnceAMinute(options.clock);
	}

	/** To be called with each stream of KEDA; returns what is to be called at its end, once. */
	open(key: PoolKey, name: string, options: MetricOptions): () => void {
		const objects = this.#pools.get(key) ?? new Map<string, Assisted>();
		this.#pools.set(key, objects);
		const assisted = objects.get(name) ?? newcomer(name, options);
		objects.set(name, assisted);
		assisted.options = options;
		assisted.streams++;
		this.#consider(key, assisted);
		return () => {
			assisted.streams--;
			if (assisted.streams > 0) return;
			cancel(assisted);
			objects.delete(name);
			if (objects.size === 0) this.#pools.delete(key);
		};
	}

	/** To be called whenever the demand of the pool may have changed, after KEDA was pushed. */
	changed(key: PoolKey): void {
		for (const assisted of this.#pools.get(key)?.values() ?? []) this.#consider(key, assisted);
	}

	/** The same for every pool. */
	allChanged(): void {
		for (const key of this.#pools.keys()) this.changed(key);
	}

	close(): void {
		this.#closed.abort();
		for (const objects of this.#pools.values()) for (const assisted of objects.values()) cancel(assisted);
		this.#pools.clear();
	}

	#consider(key: PoolKey, assisted: Assisted): void {
		const { next, tried, lookedAt } = assisted;
		const now = this.#options.clock.now();
		const wanted = this.#wanted(key, assisted);
		if (wanted === undefined || next.t === "looking") return;
		if (next.t === "gathering") {
			if (wanted > next.wanted) this.#gather(key, assisted, wanted, next.since);
		} else if (wanted > tried || now - lookedAt >= again.maxMs) this.#gather(key, assisted, wanted, now);
		else if (next.t === "nothing") {
			const timer = this.#lookAfter(backoffDelayMs(again, assisted.looks), key, assisted);
			assisted.next = { t: "again", timer };
		}
	}

	#gather(key: PoolKey, assisted: Assisted, wanted: number, since: number): void {
		cancel(assisted);
		const leftMs = since + gatherMs - this.#options.clock.now();
		const timer = this.#lookAfter(Math.max(Math.min(quietMs, leftMs), 0), key, assisted);
		assisted.next = { t: "gathering", timer, since, wanted };
	}

	#lookAfter(ms: number, key: PoolKey, assisted: Assisted): Timer {
		return this.#options.clock.after(ms, () => void this.#look(key, assisted));
	}

	#wanted(key: PoolKey, { options, max }: Assisted): number | undefined {
		return wantedReplicas(this.#options.demand(key), options, max);
	}

	async #look(key: PoolKey, assisted: Assisted): Promise<void> {
		const { clock, log, raise, onRaise } = this.#options;
		assisted.next = nothing;
		const wanted = this.#wanted(key, assisted);
		if (wanted === undefined) return;
		assisted.looks = wanted > assisted.tried ? 1 : assisted.looks + 1;
		assisted.tried = wanted;
		assisted.lookedAt = clock.now();
		assisted.next = { t: "looking" };
		const scaledObject = { namespace: partsOf(key).namespace, name: assisted.name };
		const late = new AbortController();
		const timer = clock.after(raiseMs, () => late.abort());
		try {
			const raised = await raise(wanted, scaledObject, AbortSignal.any([late.signal, this.#closed.signal]));
			onRaise(raised.t);
			if (raised.t === "untouchable") this.#tell(key, raised.why);
			else assisted.max = raised.max;
			if (raised.t === "raised") log.info({ pool: key, ...raised }, "a burst: replicas raised");
		} catch (thrown) {
			if (this.#closed.signal.aborted) return;
			onRaise("failed");
			this.#tell(key, ScalerError.from(thrown).message);
		} finally {
			timer.cancel();
			assisted.next = nothing;
			if (assisted.streams > 0 && !this.#closed.signal.aborted) this.#consider(key, assisted);
		}
	}

	#tell(key: PoolKey, why: string): void {
		if (this.#failures.admit(key) !== undefined)
			this.#options.log.warn({ pool: key, why }, "no help for a burst");
	}
}

function newcomer(name: string, options: MetricOptions): Assisted {
	const never = { max: Number.POSITIVE_INFINITY, tried: 0, looks: 0, lookedAt: Number.NEGATIVE_INFINITY };
	return { name, options, streams: 0, ...never, next: nothing };
}

function cancel(assisted: Assisted): void {
	const { next } = assisted;
	if (next.t === "gathering" || next.t === "again") next.timer.cancel();
	assisted.next = nothing;
}
