import { type Backoff, backoffDelayMs } from "../common/backoff.ts";
import type { Timer } from "../common/clock.ts";

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

/** A daemon that is just starting refuses for some 100 ms, so the first retries come fast. */
export const redialBackoff: Backoff = { firstMs: 10, maxMs: 1_000 };

/** How long a daemon is left alone after its n-th failure in a row (ms). */
export function avoidMs(failures: number): number {
	return backoffDelayMs(redialBackoff, failures);
}
