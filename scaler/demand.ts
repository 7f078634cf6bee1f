import { heartbeatMs, leaseMs } from "../events/schema.ts";
import { type Expected, type ExpectedProxy, isEmpty, isOf, isOver, nameOf } from "./expected/expected.ts";
import type { PoolRecord, Word } from "./ledger.ts";
import { addLoads, type Load, noDaemons } from "./load.ts";

/** The builds a pool has to serve, or why the scaler cannot say. Unknown is not zero (I2). */
export type Demand =
	| ({ readonly t: "known" } & Load)
	| {
			readonly t: "unknown";
			/** One line for KEDA's log; changes only with the cause. */
			readonly reason: string;
			/** Builds that are certain although others may exist: what fresh words name. */
			readonly atLeast: { readonly waiting: number; readonly active: number };
	  }
	/** No proxy speaks for this pool. */
	| { readonly t: "absent" };

/** Whether events reach this scaler. `since` is `Clock.now` of the connect. */
export type BusView =
	| { readonly t: "connected"; readonly since: number }
	| { readonly t: "disconnected"; readonly reason: string };

export interface DemandOptions {
	/** Every proxy there is, where that is certain: then the pool is known once all of them spoke, and not before. */
	readonly expected?: Expected | undefined;
	/** A proxy silent for so long no longer counts. */
	readonly absentAfterMs: number;
}

/**
 * The scaler asks for states when it connects, and a proxy that missed the question speaks with its next heartbeat.
 * The rest is for the way: with the bus's own retry it makes demand right within 6 s of the bus's return.
 */
export const syncMs = heartbeatMs + 250;

/**
 * A zero may be a lease old, of a proxy that was cut off since: builds that came there keep their daemons if the pool is
 * idle for longer before it goes. The rest is for the proxy to be heard again, or found silent.
 */
export const safeCooldownMs = leaseMs + heartbeatMs;

/**
 * What `record` says at `now`. It holds that
 * - known is never lower than the sum of the last words of all proxies that count, and
 * - zero is known only if every one of them said so within its lease.
 * A pool whose proxies all said goodbye is known to be zero: a proxy does so after its last build has ended, and with
 * no proxy left nobody can start another.
 */
export function demandOf(
	record: PoolRecord | undefined,
	bus: BusView,
	now: number,
	options: DemandOptions,
): Demand {
	const unknown = (reason: string): Demand => ({ t: "unknown", reason, atLeast: freshLoad(record, now) });
	const missing = missingWord(record, bus, now, options);
	if (missing !== undefined) return unknown(missing);
	const since = bus.t === "connected" ? bus.since : now - leaseMs;
	const { absentAfterMs } = options;
	if (record === undefined) return { t: "absent" };
	if (record.refusedAt !== undefined && now - Math.max(record.refusedAt, since) < absentAfterMs)
		return unknown("the pool has more proxies than this scaler keeps");

	const counting = [...record.words].filter(([, word]) => !isAbsent(word, since, now, absentAfterMs));
	const load = counting
		.map(([, word]) => agedLoad(word, now))
		.reduce(addLoads, emptyLoad(capacityOf(record)));
	if (load.waiting + load.active > 0) return { t: "known", ...load };
	const stale = counting.find(([, word]) => isStale(word, since, now));
	if (stale !== undefined) return unknown(`proxy ${stale[0]} is silent, and no other reports a build`);
	if (counting.length === 0 && record.words.size > 0) return { t: "absent" };
	return { t: "known", ...load };
}

/**
 * Builds a daemon takes at once, known even while demand is not. Target and value of the metric must use the same one,
 * or their ratio is not a number of daemons.
 */
export function capacityOf(record: PoolRecord): number {
	const words = [...record.words.values()];
	return words.length === 0 ? record.capacity : Math.min(...words.map(({ load }) => load.capacity));
}

/** A word that may have been overtaken: its lease is over, or it is from before an outage of the bus. */
export function isStale({ receivedAt }: Word, since: number, now: number): boolean {
	return receivedAt < since || now - receivedAt > leaseMs;
}

/** Silent for so long that the proxy must be gone. Time without a bus is not silence: nothing could be heard. */
export function isAbsent({ receivedAt }: Word, since: number, now: number, absentAfterMs: number): boolean {
	return now - Math.max(receivedAt, since) >= absentAfterMs;
}

/**
 * Why the words that there are may not be all; undefined where they are.
 * - Where nobody is named: in the first moments after a connect, and without the bus.
 * - Where proxies are named: while one of them has never spoken, for `absentAfterMs` at most, and without the bus while
 *   one could not be read for a lease. One that spoke and is silent is not missing: its last word counts.
 */
export function missingWord(
	record: PoolRecord | undefined,
	bus: BusView,
	now: number,
	{ expected, absentAfterMs }: DemandOptions,
): string | undefined {
	const away = bus.t === "disconnected" ? bus.reason : undefined;
	const waiting = "waiting for the proxies to report";
	if (expected === undefined) {
		if (bus.t === "disconnected") return `the bus is disconnected: ${away}`;
		return now - bus.since < syncMs ? waiting : undefined;
	}
	if (expected.t === "unlisted") return expected.why;
	const { proxies } = expected;
	if (bus.t === "disconnected") {
		// A proxy that nobody lists would not be heard: only where all are known, words read from them do.
		if (!expected.current) return `the bus is disconnected (${away}), and the list of proxies is old`;
		if (proxies.every((proxy) => isHeard(record, proxy, now - leaseMs, now))) return undefined;
		return `the bus is disconnected (${away}), ${waiting}`;
	}
	const { since } = bus;
	if (record !== undefined && proxies.every((proxy) => isHeard(record, proxy, since, now))) return undefined;
	if (now - since < syncMs) return waiting;
	const never = proxies.find((proxy) => {
		if (isHeard(record, proxy, Number.NEGATIVE_INFINITY, now)) return false;
		// A named proxy may be one of other pools only; who is listed is listed for this pool.
		if (proxy.t === "id") return record !== undefined && now - since < absentAfterMs;
		return now - Math.max(since, proxy.listedAt) < absentAfterMs;
	});
	return never && `proxy ${nameOf(never)} has not reported`;
}

/** Whether the proxy spoke or said goodbye at `from` or later, or is known not to be there. */
function isHeard(record: PoolRecord | undefined, proxy: ExpectedProxy, from: number, now: number): boolean {
	if (isEmpty(proxy, now)) return true;
	if (record === undefined) return false;
	for (const [id, word] of record.words) if (word.receivedAt >= from && isOf(proxy, id, word)) return true;
	for (const [id, goodbye] of record.goodbyes)
		if (goodbye.receivedAt >= from && isOver(proxy, id, goodbye, now)) return true;
	return false;
}

function freshLoad(record: PoolRecord | undefined, now: number): { waiting: number; active: number } {
	const sum = { waiting: 0, active: 0 };
	for (const { load, receivedAt } of record?.words.values() ?? []) {
		if (now - receivedAt > leaseMs) continue;
		sum.waiting += load.waiting;
		sum.active += load.active;
	}
	return sum;
}

function agedLoad({ load, receivedAt }: Word, now: number): Load {
	if (load.waiting === 0) return load;
	return { ...load, oldestWaitMs: load.oldestWaitMs + Math.round(now - receivedAt) };
}

function emptyLoad(capacity: number): Load {
	return { waiting: 0, active: 0, highestBusyOrdinal: null, capacity, oldestWaitMs: 0, daemons: noDaemons };
}
