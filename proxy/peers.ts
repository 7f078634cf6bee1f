import type { Clock } from "../common/clock.ts";
import type { Bus, PoolName } from "../events/bus.ts";
import { leaseMs, type PoolEvent } from "../events/schema.ts";

/** More proxies than this serve no pool; the rest of what somebody invents is not kept. */
const maxPeers = 100;

interface Peer {
	readonly incarnation: number;
	readonly sequence: number;
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
	readonly #self: string;
	readonly #bus: Bus;
	readonly #clock: Clock;
	readonly #peers = new Map<string, Peer>();
	readonly #unsubscribe: readonly (() => void)[];

	/** `changed` is called when a peer said something new. */
	constructor(self: string, pool: PoolName, bus: Bus, clock: Clock, changed: () => void) {
		this.#self = self;
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
		if (proxy === this.#self) return false;
		const known = this.#peers.get(proxy);
		if (known === undefined ? this.#peers.size >= maxPeers : !isNewer(snapshot, known)) return false;
		if (type === "proxy.stopped") return this.#peers.delete(proxy);
		const builds = new Map(daemons.map(({ name, active }) => [name, active]));
		this.#peers.set(proxy, { incarnation, sequence, builds, heardAt: this.#clock.now() });
		return true;
	}

	/** Nobody could be heard until now: everybody gets a lease to speak. */
	#reconnected(): void {
		const now = this.#clock.now();
		for (const peer of this.#peers.values()) peer.heardAt = now;
		this.#bus.askForStates();
	}
}

function isNewer(word: Omit<Peer, "builds" | "heardAt">, than: Peer): boolean {
	if (word.incarnation !== than.incarnation) return word.incarnation > than.incarnation;
	return word.sequence > than.sequence;
}
