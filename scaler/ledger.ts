import type { PoolEvent } from "../events/schema.ts";
import { type Load, loadOf } from "./load.ts";
import { type PoolKey, poolKey } from "./pool-key.ts";

/** The last word of a proxy about a pool. */
export interface Word {
	readonly incarnation: number;
	readonly sequence: number;
	readonly load: Load;
	/** `Clock.now` of its receipt. */
	readonly receivedAt: number;
}

/** A proxy that said goodbye: nothing of this incarnation or an older one counts again. */
interface Goodbye {
	readonly incarnation: number;
	readonly receivedAt: number;
}

/** What proxies said about one pool. */
export interface PoolRecord {
	readonly namespace: string;
	readonly pool: string;
	/** By proxy id. */
	readonly words: ReadonlyMap<string, Word>;
	readonly goodbyes: ReadonlyMap<string, Goodbye>;
	/** Builds a daemon takes at once, as the newest message has it. */
	readonly capacity: number;
	/** When a proxy was last refused for lack of room: its load is missing here. */
	readonly refusedAt: number | undefined;
}

/** `outdated`: a repeated or overtaken message. `refused`: no room for one more pool or proxy. */
export type Recorded = "applied" | "outdated" | "refused";

export interface LedgerLimits {
	readonly maxPools: number;
	readonly maxProxiesPerPool: number;
}

const defaultLedgerLimits: LedgerLimits = { maxPools: 5_000, maxProxiesPerPool: 100 };

interface MutableRecord extends PoolRecord {
	readonly words: Map<string, Word>;
	readonly goodbyes: Map<string, Goodbye>;
	capacity: number;
	refusedAt: number | undefined;
}

/**
 * Everything proxies said, newest word only. Snapshots are absolute (I3): whatever was lost, repeated or reordered on
 * the way, the ledger is right once it holds the newest word of each proxy.
 */
export class Ledger {
	readonly #limits: LedgerLimits;
	readonly #pools = new Map<PoolKey, MutableRecord>();

	constructor(limits: LedgerLimits = defaultLedgerLimits) {
		this.#limits = limits;
	}

	get(key: PoolKey): PoolRecord | undefined {
		return this.#pools.get(key);
	}

	pools(): IterableIterator<[PoolKey, PoolRecord]> {
		return this.#pools.entries();
	}

	record(event: PoolEvent, now: number): Recorded {
		const record = this.#open(event);
		if (record === undefined) return "refused";
		const { proxy, incarnation, sequence, capacity } = event.snapshot;
		if (isOutdated(record, proxy, incarnation, sequence)) return "outdated";
		if (event.type === "proxy.stopped") {
			record.words.delete(proxy);
			remember(record.goodbyes, proxy, { incarnation, receivedAt: now }, this.#limits.maxProxiesPerPool);
		} else {
			if (!record.words.has(proxy) && record.words.size >= this.#limits.maxProxiesPerPool) {
				record.refusedAt = now;
				return "refused";
			}
			record.words.set(proxy, { incarnation, sequence, load: loadOf(event.snapshot), receivedAt: now });
		}
		record.capacity = capacity;
		return "applied";
	}

	/**
	 * Forgets words that are gone for good, and pools of which none is left. A pool whose last proxy said goodbye
	 * stays: that nobody builds there is knowledge, and without it KEDA would keep its daemons for ever.
	 */
	forget(isGone: (word: Word) => boolean): void {
		for (const [key, record] of this.#pools) {
			let forgotten = false;
			for (const [proxy, word] of record.words) {
				if (isGone(word)) forgotten = record.words.delete(proxy);
			}
			if (forgotten && record.words.size === 0) this.#pools.delete(key);
		}
	}

	#open({ namespace, pool, snapshot: { capacity } }: PoolEvent): MutableRecord | undefined {
		const key = poolKey({ namespace, pool });
		const known = this.#pools.get(key);
		if (known !== undefined) return known;
		if (this.#pools.size >= this.#limits.maxPools && !this.#dropStoppedPool()) return undefined;
		const record: MutableRecord = {
			namespace,
			pool,
			words: new Map(),
			goodbyes: new Map(),
			capacity,
			refusedAt: undefined,
		};
		this.#pools.set(key, record);
		return record;
	}

	#dropStoppedPool(): boolean {
		for (const [key, { words }] of this.#pools) if (words.size === 0) return this.#pools.delete(key);
		return false;
	}
}

function isOutdated(record: PoolRecord, proxy: string, incarnation: number, sequence: number): boolean {
	const goodbye = record.goodbyes.get(proxy);
	if (goodbye !== undefined && incarnation <= goodbye.incarnation) return true;
	const word = record.words.get(proxy);
	if (word === undefined || incarnation > word.incarnation) return false;
	return incarnation < word.incarnation || sequence <= word.sequence;
}

/** Sets, as the youngest entry, and drops the oldest when there are more than `max`. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value, max: number): void {
	map.delete(key);
	map.set(key, value);
	for (const oldest of map.keys()) {
		if (map.size <= max) return;
		map.delete(oldest);
	}
}
