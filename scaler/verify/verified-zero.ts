import type { Demand } from "../demand.ts";
import type { KnownDaemon } from "../known-daemon.ts";
import type { Load } from "../load.ts";
import type { DaemonWord } from "./daemon-word.ts";

/**
 * The demand of a pool whose proxies all say that nobody builds, once its daemons were asked: builds that came around
 * the proxies count, and a daemon that cannot be asked may have some (I2). Pure.
 */
export function verifiedZero(
	zero: Load,
	words: readonly { readonly daemon: KnownDaemon; readonly word: DaemonWord }[],
): Demand {
	let active = 0;
	let highestBusyOrdinal: number | null = null;
	for (const { daemon, word } of words) {
		if (word.t === "unknown") {
			const reason = `nobody builds through a proxy, and daemon ${daemon.name} cannot be asked: ${word.why}`;
			return { t: "unknown", reason, atLeast: { waiting: 0, active: 0 } };
		}
		if (word.t === "down" || word.count === 0) continue;
		active += word.count;
		if (daemon.ordinal !== null) highestBusyOrdinal = Math.max(highestBusyOrdinal ?? 0, daemon.ordinal);
	}
	return { t: "known", ...zero, active, highestBusyOrdinal };
}
