/**
 * The builds that wait, first come, first served. A build that comes back from a failed daemon takes its old place
 * again. Every operation is O(1) but for returns, of which there are never more than assigned builds.
 */
export class WaitQueue<T> {
	/** In order of arrival: Map keeps insertion order, and an item in the middle leaves without a search. */
	readonly #arrived = new Map<T, number>();
	/** Came back; all older than whatever arrived after them, sorted by place. */
	#returned: { readonly item: T; readonly place: number }[] = [];
	readonly #places = new WeakMap<object & T, number>();
	#nextPlace = 0;

	get size(): number {
		return this.#arrived.size + this.#returned.length;
	}

	/** Joins at the end, or at its old place if it has been in this queue before. */
	add(item: T & object): void {
		const oldPlace = this.#places.get(item);
		if (oldPlace !== undefined) {
			const at = this.#returned.findIndex(({ place }) => place > oldPlace);
			this.#returned.splice(at === -1 ? this.#returned.length : at, 0, { item, place: oldPlace });
			return;
		}
		const place = this.#nextPlace++;
		this.#places.set(item, place);
		this.#arrived.set(item, place);
	}

	/** The item that has waited longest; it stays in the queue. */
	head(): T | undefined {
		const [returned] = this.#returned;
		for (const [item, place] of this.#arrived) {
			return returned !== undefined && returned.place < place ? returned.item : item;
		}
		return returned?.item;
	}

	/** Takes an item out; false when it was not in. */
	remove(item: T): boolean {
		if (this.#arrived.delete(item)) return true;
		const at = this.#returned.findIndex((entry) => entry.item === item);
		if (at === -1) return false;
		this.#returned.splice(at, 1);
		return true;
	}
}
