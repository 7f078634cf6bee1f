/** Doubling delays between attempts, from `firstMs` up to `maxMs`. */
export interface Backoff {
	readonly firstMs: number;
	readonly maxMs: number;
}

/** The delay in ms before attempt number `attempt` + 1, `attempt` failures having happened (1 or more). */
export function backoffDelayMs(backoff: Backoff, attempt: number): number {
	// The exponent is clamped: 2 ** 1100 is Infinity, and Infinity * 0 would be NaN.
	const doublings = Math.min(Math.max(attempt - 1, 0), 30);
	return Math.min(backoff.maxMs, backoff.firstMs * 2 ** doublings);
}
