/**
 * Who of several replicas leads: client-go's rules (tools/leaderelection), as pure functions of what was read and when.
 *
 * Nobody compares clocks. A leader counts its lease from the moment before it sent the renewal, and stops `renewDeadlineMs`
 * later; the others count from when they first saw a renewal, and take over after the longer `leaseMs`. As what is seen was
 * written later than it was sent, at most one leads, whatever is late or lost on the way; clocks need only run equally fast.
 * Election.test.ts has this as a law.
 */
import type { Lease } from "./lease.ts";

export interface ElectionTimes {
	/** How long a holder may be silent before another one takes over. */
	readonly leaseMs: number;
	/** How long a leader leads without a renewal that worked. Less than `leaseMs` by what its last request may take. */
	readonly renewDeadlineMs: number;
	/** Between two looks at the lease. */
	readonly retryMs: number;
}

/** client-go's defaults, as all of Kubernetes' own components have them. */
export const electionTimes: ElectionTimes = { leaseMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000 };

/** `Clock.now` everywhere. */
export type ElectionState =
	| {
			readonly t: "follower";
			/** The holder's last sign of life that was seen, and when first. */
			readonly seen: { readonly sign: string; readonly at: number } | undefined;
	  }
	/** `renewedAt`: when the last renewal that worked was sent. */
	| { readonly t: "leader"; readonly renewedAt: number };

export const newcomer: ElectionState = { t: "follower", seen: undefined };

/** Whether who has this state may act. */
export function leads(state: ElectionState, now: number, times: ElectionTimes): boolean {
	return state.t === "leader" && now < state.renewedAt + times.renewDeadlineMs;
}

/**
 * What follows from a lease that was read, its answer having come at `now`: the new state, and whether to write the
 * lease with us as its holder. An id that holds it already is ours: ids are unique, so it is from before our last start.
 */
export function afterRead(
	state: ElectionState,
	lease: Lease,
	self: string,
	now: number,
	times: ElectionTimes,
): { readonly state: ElectionState; readonly take: boolean } {
	if (lease.holder === self || lease.holder === undefined) return { state, take: true };
	const sign = signOf(lease);
	const seen = state.t === "follower" && state.seen?.sign === sign ? state.seen : { sign, at: now };
	const isOver = now - seen.at >= Math.max(times.leaseMs, lease.durationMs);
	return { state: { t: "follower", seen }, take: isOver };
}

/** The lease with us as its holder was written; `sentAt` is from before. */
export function afterTaken(sentAt: number): ElectionState {
	return { t: "leader", renewedAt: sentAt };
}

/** The lease as its new or old holder writes it. */
export function held(lease: Lease, self: string, wallTime: number, times: ElectionTimes): Lease {
	const isNew = lease.holder !== self;
	const now = new Date(wallTime);
	return {
		...lease,
		holder: self,
		durationMs: times.leaseMs,
		acquireTime: isNew ? now : lease.acquireTime,
		renewTime: now,
		transitions: lease.transitions + (isNew && lease.version !== undefined ? 1 : 0),
	};
}

/** The lease as its holder leaves it, so that nobody has to wait for its end. */
export function released(lease: Lease, self: string): Lease {
	return lease.holder === self ? { ...lease, holder: undefined, renewTime: undefined } : lease;
}

/** Changes with each renewal, and with nothing else: followers write to the object too. */
function signOf({ holder, renewTime, acquireTime, transitions }: Lease): string {
	return [holder, renewTime?.getTime(), acquireTime?.getTime(), transitions].join(" ");
}
