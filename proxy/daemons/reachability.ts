import { type Backoff, backoffDelayMs } from "../../common/backoff.ts";
import type { Timer } from "../../common/clock.ts";

/**
 * What is known of a daemon's answering. Until one build got its first frame from it, a daemon is tried with one build
 * at a time: a crowd sent to a daemon that only accepts would wait for nothing, in the wrong place.
 */
export type Reachability =
	| { readonly t: "unknown"; readonly failures: number }
	/** One build is on its way, from connect to first frame. */
	| { readonly t: "trying"; readonly failures: number }
	| { readonly t: "answering" }
	| { readonly t: "avoided"; readonly failures: number; readonly timer: Timer };

/** A starting daemon refuses for some 100 ms, and somebody waits for it: each of these ms is theirs. */
const startingBackoff: Backoff = { firstMs: 10, maxMs: 50 };
/** After some 5 s of that it is not just starting. */
const startingFailures = 100;
/** One that accepted and was of no use costs a build its time. */
const brokenBackoff: Backoff = { firstMs: 100, maxMs: 1_000 };
/** One that does not accept costs nobody anything, and may come up at any time for those who wait. */
const downBackoff: Backoff = { firstMs: 100, maxMs: 250 };

/** How long a daemon is left alone after its n-th failure in a row (ms); it is dialed only while somebody waits. */
export function avoidMs(failures: number, accepted: boolean): number {
	if (failures <= startingFailures) return backoffDelayMs(startingBackoff, failures);
	return backoffDelayMs(accepted ? brokenBackoff : downBackoff, failures - startingFailures);
}
