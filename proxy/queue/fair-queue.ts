import { ScalerError } from "../../common/error.ts";
import { Places, WaitQueue } from "./wait-queue.ts";

export interface FairQueueOptions<T> {
	/** Whose build it is. One tenant for all makes it first come, first served. */
	readonly tenantOf: (item: T) => string;
	/** Builds of one tenant that may be served at once. */
	readonly maxPerTenant: number;
}

/** A tenant's right to one build, at its place among the other tenants' rights. */
interface Turn {
	readonly tenant: string;
}

interface Tenant<T extends object> {
	readonly waiting: WaitQueue<T>;
	/** One while somebody is ready, and those that came back with the builds they were used for. */
	readonly turns: WaitQueue<Turn>;
	/** Builds being served. */
	active: number;
	/** Waiting builds that the cap leaves room for. */
	ready: number;
}

interface Served {
	readonly turn: Turn | undefined;
	/** Whether it counts against its tenant's cap: a silent connection has no build behind it. */
	counted: boolean;
}

/**
 * The builds that wait: tenants take turns, and within a tenant whoever came first is first. A tenant at its cap has no
 * turns until one of its builds ends. A build that comes back takes its old place, and its tenant the old turn.
 */
export class FairQueue<T extends object> {
	#options: FairQueueOptions<T>;
	readonly #places = new Places<T>();
	readonly #turnPlaces = new Places<Turn>();
	readonly #all = new WaitQueue<T>(this.#places);
	/** Those with a build, waiting or served. */
	readonly #tenants = new Map<string, Tenant<T>>();
	#turns = new WaitQueue<Turn>(this.#turnPlaces);
	readonly #served = new Map<T, Served>();
	/** The turn that a build came back with goes when it goes. */
	readonly #broughtBack = new WeakMap<T, Turn>();
	#ready = 0;

	constructor(options: FairQueueOptions<T>) {
		this.#options = options;
	}

	tenantOf(item: T): string {
		return this.#options.tenantOf(item);
	}

	/** All that wait, whether their tenant is at its cap or not. */
	get size(): number {
		return this.#all.size;
	}

	/** How many of them could be served now, were there daemons enough. */
	get ready(): number {
		return this.#ready;
	}

	/** Whoever has waited longest. */
	oldest(): T | undefined {
		return this.#all.head();
	}

	/** Whose turn it is; undefined when nobody waits, or only builds of tenants at their cap. */
	next(): T | undefined {
		const turn = this.#turns.head();
		return turn === undefined ? undefined : this.#tenants.get(turn.tenant)?.waiting.head();
	}

	has(item: T): boolean {
		return this.#all.has(item);
	}

	/** Whether it waits and its tenant may have one more build. */
	isReady(item: T): boolean {
		return this.#all.has(item) && this.#tenant(item).ready > 0;
	}

	/** Whether it waits for another build of its own tenant to end. */
	isCapped(item: T): boolean {
		return this.#all.has(item) && this.#tenant(item).ready === 0;
	}

	/** Joins, or comes back: its daemon was of no use. */
	add(item: T): void {
		const tenant = this.#tenant(item);
		const served = this.#served.get(item);
		if (served !== undefined) {
			this.#uncount(item, served, tenant);
			if (served.turn !== undefined) {
				this.#addTurn(tenant, served.turn);
				this.#broughtBack.set(item, served.turn);
			}
		}
		this.#all.add(item);
		tenant.waiting.add(item);
		this.#settle(item, tenant);
	}

	/** Leaves unserved; false when it did not wait. */
	remove(item: T): boolean {
		if (!this.#all.remove(item)) return false;
		const tenant = this.#tenant(item);
		tenant.waiting.remove(item);
		const turn = this.#broughtBack.get(item);
		if (turn !== undefined) this.#removeTurn(tenant, turn);
		this.#settle(item, tenant);
		return true;
	}

	/** Leaves to be served, which is its tenant's turn. It must be ready. */
	take(item: T): void {
		if (!this.isReady(item)) throw new ScalerError("INTERNAL", "a build that is not ready cannot be served");
		const tenant = this.#tenant(item);
		this.#all.remove(item);
		tenant.waiting.remove(item);
		const turn = tenant.turns.head();
		if (turn !== undefined) this.#removeTurn(tenant, turn);
		tenant.active++;
		this.#served.set(item, { turn, counted: true });
		this.#settle(item, tenant);
	}

	/** A served one fell silent, or talks again; the latter may bring its tenant above the cap. */
	setSilent(item: T, silent: boolean): void {
		const served = this.#served.get(item);
		if (served === undefined || served.counted !== silent) return;
		const tenant = this.#tenant(item);
		served.counted = !silent;
		tenant.active += silent ? -1 : 1;
		this.#settle(item, tenant);
	}

	/** A served one ended. */
	ended(item: T): void {
		const served = this.#served.get(item);
		if (served === undefined) return;
		const tenant = this.#tenant(item);
		this.#uncount(item, served, tenant);
		this.#settle(item, tenant);
	}

	/** Goes on by other rules: whoever came first is first within its new tenant, and turns begin anew. */
	use(options: FairQueueOptions<T>): void {
		this.#options = options;
		this.#tenants.clear();
		this.#turns = new WaitQueue(this.#turnPlaces);
		this.#ready = 0;
		for (const [item, { counted }] of this.#served) {
			this.#served.set(item, { turn: undefined, counted });
			if (counted) this.#tenant(item).active++;
		}
		for (const item of this.#all.values()) {
			const tenant = this.#tenant(item);
			tenant.waiting.add(item);
			this.#settle(item, tenant);
		}
	}

	/** Those that are ready, in the order in which they would be served if nobody came, left or ended. */
	*inTurn(): Generator<T> {
		const places = new Map<string, Place<T>>();
		const round: Place<T>[] = [];
		for (const { tenant: key } of this.#turns.values()) {
			let place = places.get(key);
			if (place === undefined) {
				const tenant = this.#tenants.get(key);
				if (tenant === undefined) continue;
				place = { items: tenant.waiting.values(), left: tenant.ready, turns: tenant.turns.size };
				places.set(key, place);
			}
			yield* nextOf(place);
			// The next turn is given when the last of those at hand is used.
			if (--place.turns === 0 && place.left > 0) round.push(place);
		}
		for (const place of round) {
			yield* nextOf(place);
			// Behind all others: the loop comes to it again.
			if (place.left > 0) round.push(place);
		}
	}

	#tenant(item: T): Tenant<T> {
		const key = this.tenantOf(item);
		const known = this.#tenants.get(key);
		if (known !== undefined) return known;
		const tenant: Tenant<T> = {
			waiting: new WaitQueue(this.#places),
			turns: new WaitQueue(this.#turnPlaces),
			active: 0,
			ready: 0,
		};
		this.#tenants.set(key, tenant);
		return tenant;
	}

	#uncount(item: T, { counted }: Served, tenant: Tenant<T>): void {
		this.#served.delete(item);
		if (counted) tenant.active--;
	}

	/** After each change of a tenant: counts who is ready, gives or takes its turn. */
	#settle(item: T, tenant: Tenant<T>): void {
		const key = this.tenantOf(item);
		const room = Math.max(0, this.#options.maxPerTenant - tenant.active);
		const ready = Math.min(tenant.waiting.size, room);
		this.#ready += ready - tenant.ready;
		tenant.ready = ready;
		if (ready > 0 && tenant.turns.size === 0) this.#addTurn(tenant, { tenant: key });
		// More turns than builds to use them for would let the tenant come first later on.
		while (tenant.turns.size > ready) {
			const turn = [...tenant.turns.values()].at(-1);
			if (turn !== undefined) this.#removeTurn(tenant, turn);
		}
		if (tenant.waiting.size === 0 && tenant.active === 0) this.#tenants.delete(key);
	}

	#addTurn(tenant: Tenant<T>, turn: Turn): void {
		tenant.turns.add(turn);
		this.#turns.add(turn);
	}

	#removeTurn(tenant: Tenant<T>, turn: Turn): void {
		tenant.turns.remove(turn);
		this.#turns.remove(turn);
	}
}

/** How far a walk through the queue has come with one tenant. */
interface Place<T> {
	readonly items: Iterator<T>;
	left: number;
	turns: number;
}

function* nextOf<T>(place: Place<T>): Generator<T> {
	const { value, done } = place.items.next();
	place.left--;
	if (done !== true) yield value;
}
