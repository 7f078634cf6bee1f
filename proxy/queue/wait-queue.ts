/** In which order items first came. Queues that share one agree on it. */
export class Places<T extends object> {
	readonly #places = new WeakMap<T, number>();
	#next = 0;

	of(item: T): number {
		const known = this.#places.get(item);
		if (known !== undefined) return known;
		this.#places.set(item, this.#next);
		return this.#next++;
	}
}

/** Gaps that are not worth closing. */
const fewGaps = 16;

/**
 * What waits, first come, first served. An item that comes back takes its old place again. Every operation is O(1) but
 * for returns, of which there are never more than assigned builds.
 */
export class WaitQueue<T extends object> {
	/** Those that are in for the first time, with their places. */
	readonly #arrived = new Map<T, number>();
	/** The same and some that left since, in order. A Map's own order is slow to begin where thousands were taken from its front. */
	#order: T[] = [];
	/** Nobody before this is in. */
	#first = 0;
	/** Came back, sorted by place. */
	#returned: { readonly item: T; readonly place: number }[] = [];
	readonly #places: Places<T>;
	#lastPlace = -1;

	constructor(places = new Places<T>()) {
		this.#places = places;
	}

	get size(): number {
		return this.#arrived.size + this.#returned.length;
	}

	/** Joins at the end, or at its old place if it has been in a queue before. */
	add(item: T): void {
		const place = this.#places.of(item);
		if (place > this.#lastPlace) {
			this.#lastPlace = place;
			this.#arrived.set(item, place);
			this.#order.push(item);
			if (this.#order.length > 2 * this.#arrived.size + fewGaps) this.#closeGaps();
			return;
		}
		const at = this.#returned.findIndex((other) => other.place > place);
		this.#returned.splice(at === -1 ? this.#returned.length : at, 0, { item, place });
	}

	has(item: T): boolean {
		return this.#arrived.has(item) || this.#returned.some((entry) => entry.item === item);
	}

	/** The item that has waited longest; it stays in the queue. */
	head(): T | undefined {
		const arrived = this.#firstArrived();
		const [returned] = this.#returned;
		if (returned === undefined) return arrived;
		return arrived === undefined || returned.place < this.#places.of(arrived) ? returned.item : arrived;
	}

	/** Everything that waits, longest first. */
	*values(): Generator<T, undefined> {
		let next = 0;
		const returned = this.#returned;
		const order = this.#order;
		for (let at = this.#first; at < order.length; at++) {
			const item = order[at];
			const place = item && this.#arrived.get(item);
			if (item === undefined || place === undefined) continue;
			for (let back = returned[next]; back !== undefined && back.place < place; back = returned[++next]) {
				yield back.item;
			}
			yield item;
		}
		for (const { item } of returned.slice(next)) yield item;
	}

	/** Takes an item out; false when it was not in. */
	remove(item: T): boolean {
		if (this.#arrived.delete(item)) return true;
		const at = this.#returned.findIndex((entry) => entry.item === item);
		if (at === -1) return false;
		this.#returned.splice(at, 1);
		return true;
	}

	#firstArrived(): T | undefined {
		for (; this.#first < this.#order.length; this.#first++) {
			const item = this.#order[this.#first];
			if (item !== undefined && this.#arrived.has(item)) return item;
		}
		return undefined;
	}

	#closeGaps(): void {
		this.#order = [...this.#arrived.keys()];
		this.#first = 0;
	}
}
