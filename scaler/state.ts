import type { Demand } from "./demand.ts";
import { isStale } from "./demand.ts";
import type { DemandTracker } from "./demand-tracker.ts";
import type { PoolRecord } from "./ledger.ts";
import { metricOf } from "./metric.ts";
import { type PoolKey, partsOf } from "./pool-key.ts";

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

/** Every pool a proxy spoke of or a stream asks for. */
export function scalerState(
	tracker: DemandTracker,
	streams: ReadonlyMap<PoolKey, number>,
	now: number,
): ScalerState {
	const { bus } = tracker;
	const records = new Map(tracker.pools());
	const since = bus.t === "connected" ? bus.since : Number.POSITIVE_INFINITY;
	return {
		bus: bus.t === "connected" ? { t: "connected" } : bus,
		pools: [...new Set([...records.keys(), ...streams.keys()])].map((key) => {
			const demand = tracker.demand(key);
			return {
				...partsOf(key),
				demand,
				metric: demand.t === "known" ? metricOf(demand) : null,
				streams: streams.get(key) ?? 0,
				proxies: proxiesOf(records.get(key), since, now),
			};
		}),
	};
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
