import type { Clock, Timer } from "../../common/clock.ts";
import { ScalerError } from "../../common/error.ts";
import type { Logger } from "../../common/log.ts";
import { heartbeatMs, type PoolSnapshot } from "../../events/schema.ts";
import type { DemandTracker } from "../demand-tracker.ts";
import { isOf, isOver, type ProxyPod } from "../expected/expected.ts";
import type { PoolRecord } from "../ledger.ts";
import { type PoolKey, poolKey } from "../pool-key.ts";
import { isRefused } from "./is-refused.ts";

/** How often it looks who is silent. */
const lookMs = 1_000;
/** A proxy repeats its word every heartbeat: one that missed it is asked, long before its lease is over. */
const silentMs = heartbeatMs + 1_000;
/** Without the bus nothing is heard by itself, so those who were heard are asked as often as they can be. */
const readMs = 900;
const maxAtOnce = 16;

export interface SecondPathOptions {
	readonly tracker: DemandTracker;
	readonly clock: Clock;
	readonly log: Logger;
	/** GET /snapshots of a proxy's admin server. */
	readonly read: (admin: string, signal: AbortSignal) => Promise<readonly PoolSnapshot[]>;
	readonly onRead: (outcome: "read" | "failed") => void;
	/** Proxies by their pools, as somebody lists them; they are read although they never spoke. */
	readonly lists?: ReadonlyMap<PoolKey, ProxyPods>;
}

export interface ProxyPods {
	readonly pods: readonly ProxyPod[];
	/** Nobody listens at this address, or nobody who serves the pool. */
	foundEmpty(admin: string): void;
}

/**
 * Reads from proxies what the bus does not bring: all of them while the bus is away, and one that is silent on it. What
 * is read is a word like any other, newer or older by incarnation and sequence. A proxy is known by what it said before,
 * or by a list.
 */
export class SecondPath {
	readonly #options: SecondPathOptions;
	/** Where a read is under way. */
	readonly #reading = new Set<string>();
	/** Where the last read failed: that is told once. */
	readonly #failing = new Set<string>();
	readonly #closed = new AbortController();
	#timer: Timer;

	constructor(options: SecondPathOptions) {
		this.#options = options;
		this.#timer = this.#later();
	}

	close(): void {
		this.#timer.cancel();
		this.#closed.abort();
	}

	#later(): Timer {
		return this.#options.clock.after(lookMs, () => {
			this.#timer = this.#later();
			this.look();
		});
	}

	/** Looks now who is to be read; it does so every second by itself. */
	look(): void {
		const places = this.#places();
		for (const admin of this.#failing) if (!places.has(admin)) this.#failing.delete(admin);
		for (const admin of this.#silent(places)) {
			if (this.#reading.size >= maxAtOnce) return;
			if (!this.#reading.has(admin)) void this.#read(admin, places.get(admin) !== Number.NEGATIVE_INFINITY);
		}
	}

	/** Where each proxy can be read, and when it was last heard. */
	#places(): ReadonlyMap<string, number> {
		const { tracker, lists, clock } = this.#options;
		const now = clock.now();
		const heardAt = new Map<string, number>();
		const add = (admin: string, at: number) => heardAt.set(admin, Math.min(at, heardAt.get(admin) ?? at));
		for (const [key, { words }] of tracker.pools()) {
			const pods = lists?.get(key)?.pods ?? [];
			for (const [proxy, word] of words) {
				const admin = word.admin ?? pods.find((pod) => isOf(pod, proxy, word))?.admin;
				if (admin !== undefined) add(admin, word.receivedAt);
			}
		}
		for (const [key, { pods }] of lists ?? []) {
			const record = tracker.record(key);
			for (const pod of pods) if (!hasSpoken(record, pod, now)) add(pod.admin, Number.NEGATIVE_INFINITY);
		}
		return heardAt;
	}

	/** Those who have not been heard lately, the longest first. */
	#silent(places: ReadonlyMap<string, number>): string[] {
		const { tracker, clock } = this.#options;
		const now = clock.now();
		const limitMs = tracker.bus.t === "connected" ? silentMs : lookMs;
		return [...places]
			.filter(([, at]) => now - at >= limitMs)
			.sort(([, a], [, b]) => a - b)
			.map(([admin]) => admin);
	}

	async #read(admin: string, isKnown: boolean): Promise<void> {
		const { tracker, clock, log, read, onRead } = this.#options;
		this.#reading.add(admin);
		const late = new AbortController();
		const timer = clock.after(readMs, () => late.abort(new Error("no answer in time")));
		try {
			const snapshots = await read(admin, AbortSignal.any([late.signal, this.#closed.signal]));
			if (this.#closed.signal.aborted) return;
			for (const snapshot of snapshots) tracker.heard(snapshot);
			this.#foundEmpty(admin, new Set(snapshots.map(poolKey)));
			onRead("read");
			if (this.#failing.delete(admin)) log.info({ admin }, "a silent proxy can be read again");
		} catch (thrown) {
			if (this.#closed.signal.aborted) return;
			onRead("failed");
			if (isRefused(thrown)) this.#foundEmpty(admin, new Set());
			// A pod that starts listens late, which is nothing to tell.
			if (!isKnown && isRefused(thrown)) return;
			if (!this.#failing.has(admin)) {
				log.warn({ admin, error: ScalerError.from(thrown).message }, "a silent proxy cannot be read");
			}
			this.#failing.add(admin);
		} finally {
			timer.cancel();
			this.#reading.delete(admin);
		}
	}

	/** Whoever answers there serves these pools and no others. */
	#foundEmpty(admin: string, served: ReadonlySet<PoolKey>): void {
		for (const [key, list] of this.#options.lists ?? []) if (!served.has(key)) list.foundEmpty(admin);
	}
}

/** Whether it has a word, which tells how old it is, or has said goodbye. */
function hasSpoken(record: PoolRecord | undefined, pod: ProxyPod, now: number): boolean {
	const { words = [], goodbyes = [] } = record ?? {};
	return (
		[...words].some(([proxy, word]) => isOf(pod, proxy, word)) ||
		[...goodbyes].some(([proxy, goodbye]) => isOver(pod, proxy, goodbye, now))
	);
}
