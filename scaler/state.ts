import type { Demand } from "./demand.ts";
import { isStale } from "./demand.ts";
import type { DemandTracker } from "./demand-tracker.ts";
import type { ProxyList } from "./expected/proxy-list.ts";
import type { KnownDaemon } from "./known-daemon.ts";
import type { PoolRecord } from "./ledger.ts";
import { metricOf } from "./metric.ts";
import { type PoolKey, partsOf } from "./pool-key.ts";
import type { DaemonWord } from "./verify/daemon-word.ts";
import type { Round, ZeroVerifier } from "./verify/zero-verifier.ts";

/** What GET /state of a scaler answers; ages in ms. */
export interface ScalerState {
	readonly bus: { readonly t: "connected" } | { readonly t: "disconnected"; readonly reason: string };
	readonly pools: readonly ScalerPoolState[];
}

export interface ScalerPoolState {
	readonly namespace: string;
	readonly pool: string;
	readonly demand: Demand;
	/** The metric of a ScaledObject without `buildsPerDaemon`; null while demand is not known. */
	readonly metric: { readonly value: number; readonly target: number } | null;
	/** Open StreamIsActive calls. */
	readonly streams: number;
	/** The proxies that the pool's Service lists; null where no list is kept. */
	readonly expected: {
		/** Since the list was last known to be true. */
		readonly ageMs: number;
		readonly proxies: readonly string[];
	} | null;
	/** What the daemons said when they were asked last, before a zero was told. */
	readonly asked: readonly {
		readonly daemon: string;
		readonly address: string;
		readonly word: DaemonWord;
		readonly ageMs: number;
	}[];
	readonly proxies: readonly {
		readonly proxy: string;
		readonly incarnation: number;
		readonly sequence: number;
		/** Since its last word. */
		readonly ageMs: number;
		/** Not believed when it says zero. */
		readonly stale: boolean;
		readonly waiting: number;
		readonly active: number;
	}[];
}

/** Every pool a proxy spoke of, a stream asks for or a list is kept of. */
export function scalerState(
	tracker: DemandTracker,
	verifier: ZeroVerifier,
	streams: ReadonlyMap<PoolKey, number>,
	lists: ReadonlyMap<PoolKey, ProxyList> | undefined,
	now: number,
): ScalerState {
	const { bus } = tracker;
	const records = new Map(tracker.pools());
	const since = bus.t === "connected" ? bus.since : Number.POSITIVE_INFINITY;
	return {
		bus: bus.t === "connected" ? { t: "connected" } : bus,
		pools: [...new Set([...records.keys(), ...streams.keys(), ...(lists?.keys() ?? [])])].map((key) => {
			const demand = tracker.demand(key);
			return {
				...partsOf(key),
				demand,
				metric: demand.t === "known" ? metricOf(demand) : null,
				streams: streams.get(key) ?? 0,
				expected: expectedOf(lists?.get(key)),
				asked: askedOf(tracker.daemons(key), verifier.lastRound(key), now),
				proxies: proxiesOf(records.get(key), since, now),
			};
		}),
	};
}

function expectedOf(list: ProxyList | undefined): ScalerPoolState["expected"] {
	return list === undefined
		? null
		: { ageMs: Math.round(list.ageMs), proxies: list.pods.map(({ name }) => name) };
}

function askedOf(
	daemons: readonly KnownDaemon[],
	round: Round | undefined,
	now: number,
): ScalerPoolState["asked"] {
	if (round === undefined) return [];
	return daemons.flatMap(({ name, address }) => {
		const word = round.answers.get(address);
		return word === undefined
			? []
			: [{ daemon: name, address, word, ageMs: Math.round(now - round.endedAt) }];
	});
}

function proxiesOf(record: PoolRecord | undefined, since: number, now: number): ScalerPoolState["proxies"] {
	return Array.from(record?.words ?? [], ([proxy, word]) => ({
		proxy,
		incarnation: word.incarnation,
		sequence: word.sequence,
		ageMs: Math.round(now - word.receivedAt),
		stale: isStale(word, since, now),
		waiting: word.load.waiting,
		active: word.load.active,
	}));
}
