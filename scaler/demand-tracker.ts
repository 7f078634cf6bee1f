import type { Clock, Timer } from "../common/clock.ts";
import { Listeners } from "../common/listeners.ts";
import type { Bus, BusStatus } from "../events/bus.ts";
import type { PoolEvent, PoolSnapshot } from "../events/schema.ts";
import { podBuilds } from "./deletion-cost/pod-builds.ts";
import {
	type BusView,
	capacityOf,
	type Demand,
	type DemandOptions,
	demandOf,
	isAbsent,
	syncMs,
} from "./demand.ts";
import { type DrainVerdict, drainVerdict } from "./drain/drain-verdict.ts";
import type { Expected } from "./expected/expected.ts";
import type { KnownDaemon } from "./known-daemon.ts";
import { Ledger, type LedgerLimits, type PoolRecord, type Recorded } from "./ledger.ts";
import { type PoolKey, poolKey } from "./pool-key.ts";

export interface DemandTrackerOptions extends Omit<DemandOptions, "expected"> {
	/** The proxies of each pool, where somebody knows all of them. */
	readonly expected?: ((key: PoolKey) => Expected | undefined) | undefined;
	readonly bus: Bus;
	readonly clock: Clock;
	readonly limits?: LedgerLimits;
	readonly onRecorded: (recorded: Recorded, event: PoolEvent) => void;
}

/**
 * Listens to the bus and answers from memory what each pool has to serve. On each connect it asks every proxy for its
 * states, and until they have spoken it does not know.
 */
export class DemandTracker {
	readonly #options: DemandTrackerOptions;
	readonly #ledger: Ledger;
	readonly #poolChanged = new Listeners<[PoolKey]>();
	readonly #allChanged = new Listeners<[]>();
	readonly #unsubscribe: (() => void)[];
	#busView: BusView = { t: "disconnected", reason: "starting" };
	#synced: Timer | undefined;
	#forgetAt = 0;

	constructor(options: DemandTrackerOptions) {
		this.#options = options;
		this.#ledger = new Ledger(options.limits);
		const { bus } = options;
		this.#unsubscribe = [
			bus.subscribe((event) => this.#record(event)),
			bus.onStatus((status) => this.#busChanged(status)),
		];
		this.#busChanged(bus.status);
	}

	get bus(): BusView {
		return this.#busView;
	}

	demand(key: PoolKey): Demand {
		return demandOf(
			this.#ledger.get(key),
			this.#busView,
			this.#options.clock.now(),
			this.#demandOptions(key),
		);
	}

	/** Builds a daemon of the pool takes at once, or undefined when no proxy ever spoke of it. */
	capacity(key: PoolKey): number | undefined {
		const record = this.#ledger.get(key);
		return record && capacityOf(record);
	}

	/** Every daemon that a proxy of the pool knows, or knew when it said goodbye. */
	daemons(key: PoolKey): readonly KnownDaemon[] {
		const { words, goodbyes } = this.#ledger.get(key) ?? { words: new Map(), goodbyes: new Map() };
		// Proxies that said goodbye know less than those who are still there.
		const speakers = words.size > 0 ? words : goodbyes;
		const byAddress = new Map<string, KnownDaemon>();
		for (const { daemons } of speakers.values())
			for (const daemon of daemons) byAddress.set(daemon.address, daemon);
		return [...byAddress.values()];
	}

	/** Whether a daemon can go; what proxies said before `askedAt` (`Clock.now`) does not count. */
	drainVerdict(key: PoolKey, daemon: string, askedAt: number): DrainVerdict {
		const now = this.#options.clock.now();
		const question = { key, daemon, askedAt, now };
		return drainVerdict(this.#ledger.get(key), this.#busView, question, this.#demandOptions(key));
	}

	/** Builds on each pod of a pool whose daemons have no order. */
	podBuilds(key: PoolKey): ReadonlyMap<string, number> {
		return podBuilds(this.#ledger.get(key));
	}

	record(key: PoolKey): PoolRecord | undefined {
		return this.#ledger.get(key);
	}

	pools(): IterableIterator<[PoolKey, PoolRecord]> {
		return this.#ledger.pools();
	}

	/** Called when the demand of one pool may have changed. */
	onPoolChanged(listener: (key: PoolKey) => void): void {
		this.#poolChanged.add(listener);
	}

	/** Called when the demand of any pool may have changed. */
	onAllChanged(listener: () => void): void {
		this.#allChanged.add(listener);
	}

	close(): void {
		this.#synced?.cancel();
		for (const unsubscribe of this.#unsubscribe) unsubscribe();
	}

	/** A snapshot that came on another way than the bus. */
	heard(snapshot: PoolSnapshot): void {
		this.#record({ type: "proxy.state", ...snapshot });
	}

	/** A proxy is known, from elsewhere than its own word, to be gone with all its builds. */
	left(key: PoolKey, proxy: string): void {
		if (this.#ledger.leave(key, proxy)) this.#poolChanged.emit(key);
	}

	/** To be called when what `expected` answers may have changed. */
	expectedChanged(): void {
		this.#allChanged.emit();
	}

	#demandOptions(key: PoolKey): DemandOptions {
		const { absentAfterMs, expected } = this.#options;
		return { absentAfterMs, expected: expected?.(key) };
	}

	#record(event: PoolEvent): void {
		const now = this.#options.clock.now();
		this.#forget(now);
		const recorded = this.#ledger.record(event, now);
		this.#options.onRecorded(recorded, event);
		if (recorded === "applied" || recorded === "twin") this.#poolChanged.emit(poolKey(event));
	}

	/** Frees what no longer counts, now and then: it only saves memory, `demandOf` looks past it anyway. */
	#forget(now: number): void {
		const view = this.#busView;
		if (view.t === "disconnected" || now < this.#forgetAt) return;
		const { absentAfterMs } = this.#options;
		this.#forgetAt = now + absentAfterMs / 10;
		this.#ledger.forget((word) => isAbsent(word, view.since, now, absentAfterMs));
	}

	#busChanged(status: BusStatus): void {
		this.#synced?.cancel();
		switch (status.t) {
			case "connected":
				this.#busView = { t: "connected", since: this.#options.clock.now() };
				// What was unknown becomes known without a message.
				this.#synced = this.#options.clock.after(syncMs, () => this.#allChanged.emit());
				this.#options.bus.askForStates();
				break;
			case "disconnected":
				this.#busView = status;
				break;
		}
		this.#allChanged.emit();
	}
}
