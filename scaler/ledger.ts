import { heartbeatMs, type PoolEvent, type Snapshot } from "../events/schema.ts";
import { type ReportedDaemon, reportedDaemons } from "./known-daemon.ts";
import { type Load, loadOf } from "./load.ts";
import { type PoolKey, poolKey } from "./pool-key.ts";

/** The last word of a proxy about a pool. */
export interface Word {
	readonly incarnation: number;
	readonly sequence: number;
	readonly load: Load;
	readonly daemons: readonly ReportedDaemon[];
	/** HOST:PORT where its snapshots can be read. */
	readonly admin: string | undefined;
	/** `Clock.now` of the first word of this incarnation. */
	readonly since: number;
	/** `Clock.now` of its receipt. */
	readonly receivedAt: number;
}

/** A proxy that said goodbye: what was under way of this incarnation or an older one does not count again. */
export interface Goodbye {
	readonly incarnation: number;
	readonly daemons: readonly ReportedDaemon[];
	readonly receivedAt: number;
}

/** What proxies said about one pool. */
export interface PoolRecord {
	readonly namespace: string;
	readonly pool: string;
	/** By proxy id; of a twin by `twinKey`. */
	readonly words: ReadonlyMap<string, Word>;
	readonly goodbyes: ReadonlyMap<string, Goodbye>;
	/** Builds a daemon takes at once, as the newest message has it. */
	readonly capacity: number;
	/** When a proxy was last refused for lack of room: its load is missing here. */
	readonly refusedAt: number | undefined;
}

/**
 * `outdated`: a repeated or overtaken message. `refused`: no room for one more pool or proxy. `twin`: applied, but beside
 * what another process with the same proxy id says.
 */
export type Recorded = "applied" | "twin" | "outdated" | "refused";

/**
 * Nothing is under way for so long. An older incarnation that still speaks that long after a newer one began is no
 * leftover: two processes have the same id, or the clock of one that started again was put back. Both count, since
 * builds of either may be running.
 */
const twinAfterMs = heartbeatMs;

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
		const daemons = reportedDaemons(event.snapshot);
		const key = keyOf(record, event.snapshot, now);
		if (key === undefined) return "outdated";
		const known = record.words.get(key);
		if (event.type === "proxy.stopped") {
			record.words.delete(key);
			remember(
				record.goodbyes,
				proxy,
				{ incarnation, daemons, receivedAt: now },
				this.#limits.maxProxiesPerPool,
			);
		} else {
			if (known === undefined && record.words.size >= this.#limits.maxProxiesPerPool) {
				record.refusedAt = now;
				return "refused";
			}
			const since = known?.incarnation === incarnation ? known.since : now;
			const load = loadOf(event.snapshot);
			const { admin } = event.snapshot;
			record.words.set(key, { incarnation, sequence, load, daemons, admin, since, receivedAt: now });
		}
		record.capacity = capacity;
		return key === proxy ? "applied" : "twin";
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

	/** Forgets a proxy that is known, from elsewhere than its own word, to be gone with all its builds. True if it was there. */
	leave(key: PoolKey, proxy: string): boolean {
		return this.#pools.get(key)?.words.delete(proxy) ?? false;
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

/** Where a word is kept; undefined for one that is repeated or overtaken. */
function keyOf(
	{ words, goodbyes }: PoolRecord,
	{ proxy, incarnation, sequence }: Snapshot,
	now: number,
): string | undefined {
	const twin = twinKey(proxy, incarnation);
	for (const key of [proxy, twin]) {
		const known = words.get(key);
		if (known?.incarnation === incarnation) return sequence > known.sequence ? key : undefined;
	}
	const word = words.get(proxy);
	const goodbye = goodbyes.get(proxy);
	if (word !== undefined && incarnation < word.incarnation)
		return now - word.since > twinAfterMs ? twin : undefined;
	if (goodbye !== undefined && incarnation <= goodbye.incarnation)
		return now - goodbye.receivedAt > twinAfterMs ? (word === undefined ? proxy : twin) : undefined;
	return proxy;
}

function twinKey(proxy: string, incarnation: number): string {
	return `${proxy} (also started at ${incarnation})`;
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
