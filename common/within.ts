import type { Clock } from "./clock.ts";

/** Resolves with true once `event` does, or with false after `ms`; no timer is left either way. */
export async function comesWithin(event: Promise<unknown>, ms: number, clock: Clock): Promise<boolean> {
	const { promise: timeout, resolve } = Promise.withResolvers<false>();
	const timer = clock.after(ms, () => resolve(false));
	const came = await Promise.race([event.then(() => true), timeout]);
	timer.cancel();
	return came;
}
