import { type BusView, type DemandOptions, isAbsent, isStale, missingWord } from "../demand.ts";
import type { PoolRecord } from "../ledger.ts";
import type { PoolKey } from "../pool-key.ts";

/** Whether a daemon that is to end can go, by the word of the proxies. */
export type DrainVerdict =
	/** No proxy gives it builds any more, and none has one on it; the daemon itself may know more. */
	| { readonly t: "released"; readonly address: string }
	| { readonly t: "busy"; readonly builds: number }
	/** It cannot be known now. */
	| { readonly t: "unclear"; readonly why: string }
	/** Nobody here has to do with it. */
	| { readonly t: "foreign"; readonly why: string };

export interface DrainQuestion {
	readonly key: PoolKey;
	readonly daemon: string;
	/** When the proxies were asked to drain it: what they said before may have been overtaken. */
	readonly askedAt: number;
	readonly now: number;
}

/**
 * Unknown is not zero here either: each proxy that counts must have said, since it was asked, that it gives the daemon
 * nothing more, or that it does not know it. Pure.
 */
export function drainVerdict(
	record: PoolRecord | undefined,
	bus: BusView,
	{ key, daemon, askedAt, now }: DrainQuestion,
	options: DemandOptions,
): DrainVerdict {
	const unclear = (why: string): DrainVerdict => ({ t: "unclear", why });
	if (bus.t === "disconnected") return unclear(`the bus is disconnected: ${bus.reason}`);
	const { since } = bus;
	const missing = missingWord(record, bus, now, options);
	if (missing !== undefined) return unclear(missing);
	if (record === undefined) return { t: "foreign", why: `no proxy speaks for pool ${key}` };
	if (record.refusedAt !== undefined && now - Math.max(record.refusedAt, since) < options.absentAfterMs)
		return unclear("the pool has more proxies than this scaler keeps");

	let address: string | undefined;
	let builds = 0;
	let why: string | undefined;
	for (const [proxy, word] of record.words) {
		if (isAbsent(word, since, now, options.absentAfterMs)) continue;
		const known = word.daemons.find(({ name }) => name === daemon);
		address ??= known?.address;
		builds += known?.active ?? 0;
		if (isStale(word, since, now)) why ??= `proxy ${proxy} is silent`;
		else if (word.receivedAt < askedAt || known?.draining === false)
			why ??= `proxy ${proxy} has not confirmed`;
	}
	for (const { daemons } of record.goodbyes.values())
		address ??= daemons.find(({ name }) => name === daemon)?.address;
	// Builds that were there a moment ago are reason enough to wait, whatever else is not known.
	if (builds > 0) return { t: "busy", builds };
	if (why !== undefined) return unclear(why);
	if (address === undefined) return { t: "foreign", why: `no proxy of pool ${key} knows daemon ${daemon}` };
	return { t: "released", address };
}
