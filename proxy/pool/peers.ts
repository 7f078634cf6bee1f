import type { Clock } from "../../common/clock.ts";
import type { Bus } from "../../events/bus.ts";
import { heartbeatMs, leaseMs, type PoolEvent, type PoolName } from "../../events/schema.ts";

/** More proxies than this serve no pool; the rest of what somebody invents is not kept. */
const maxPeers = 100;

/** One process. Its id may be another's too: then both have builds. */
export interface Speaker {
	readonly proxy: string;
	readonly incarnation: number;
}

interface Peer extends Speaker {
	readonly sequence: number;
	/** When it was heard first. */
	readonly since: number;
	/** Builds by daemon name. */
	readonly builds: ReadonlyMap<string, number>;
	heardAt: number;
}

/**
 * What the other proxies of a pool have on its daemons, by their own word on the bus, so that together they give a
 * daemon no more than its capacity. The word is a moment old: two proxies that see the same free place at the same
 * time both take it, so that a daemon can get up to its capacity from each (docs/architecture.md).
 */
export class Peers {
	readonly #self: Speaker & { readonly since: number };
	readonly #bus: Bus;
	readonly #clock: Clock;
	readonly #peers = new Map<string, Peer>();
	readonly #unsubscribe: readonly (() => void)[];

	/** `changed` is called when a peer said something new. */
	constructor(self: Speaker, pool: PoolName, bus: Bus, clock: Clock, changed: () => void) {
		this.#self = { ...self, since: clock.now() };
		this.#bus = bus;
		this.#clock = clock;
		this.#unsubscribe = [
			bus.subscribe((event) => {
				if (this.#hear(event)) changed();
			}, pool),
			bus.onStatus(({ t }) => {
				if (t === "connected") this.#reconnected();
			}),
		];
		bus.askForStates();
	}

	/** Builds of all other proxies on this daemon. */
	buildsOn(daemonName: string): number {
		let builds = 0;
		for (const peer of this.#peers.values()) builds += peer.builds.get(daemonName) ?? 0;
		return builds;
	}

	/**
	 * Forgets who has not been heard for a lease: its connections are gone with it. Returns whether there was somebody.
	 * While the bus is away nobody can be heard, and the last words stay.
	 */
	forgetSilent(): boolean {
		if (this.#bus.status.t !== "connected") return false;
		const before = this.#peers.size;
		const now = this.#clock.now();
		for (const [id, { heardAt }] of this.#peers) if (now - heardAt > leaseMs) this.#peers.delete(id);
		return this.#peers.size < before;
	}

	close(): void {
		for (const unsubscribe of this.#unsubscribe) unsubscribe();
	}

	#hear({ type, snapshot }: PoolEvent): boolean {
		const { proxy, incarnation, sequence, daemons } = snapshot;
		if (proxy === this.#self.proxy && incarnation === this.#self.incarnation) return false;
		const key = `${incarnation} ${proxy}`;
		const known = this.#peers.get(key);
		const now = this.#clock.now();
		if (known !== undefined && sequence <= known.sequence) return false;
		if (known === undefined) {
			if (this.#isLeftOver(snapshot, now)) return false;
			this.#dropOlder(snapshot);
			if (this.#peers.size >= maxPeers) return false;
		}
		if (type === "proxy.stopped") return this.#peers.delete(key);
		const builds = new Map(daemons.map(({ name, active }) => [name, active]));
		this.#peers.set(key, { proxy, incarnation, sequence, builds, since: known?.since ?? now, heardAt: now });
		return true;
	}

	/**
	 * Whether it is a late message of a process whose successor has begun. Nothing is under way for a heartbeat: who still
	 * speaks then is no predecessor but a twin, as for the scaler (scaler/ledger.ts).
	 */
	#isLeftOver({ proxy, incarnation }: Speaker, now: number): boolean {
		return [this.#self, ...this.#peers.values()].some(
			(other) => other.proxy === proxy && other.incarnation > incarnation && now - other.since <= heartbeatMs,
		);
	}

	/** A new start of the same proxy: the builds of the one before ended with it. A twin will speak again. */
	#dropOlder({ proxy, incarnation }: Speaker): void {
		for (const [key, other] of this.#peers)
			if (other.proxy === proxy && other.incarnation < incarnation) this.#peers.delete(key);
	}

	/** Nobody could be heard until now: everybody gets a lease to speak. */
	#reconnected(): void {
		const now = this.#clock.now();
		for (const peer of this.#peers.values()) peer.heardAt = now;
		this.#bus.askForStates();
	}
}
