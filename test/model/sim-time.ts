import type { Timer } from "../../common/clock.ts";

interface Entry {
	readonly at: number;
	/** Entries of the same time fire in the order in which they were made. */
	readonly order: number;
	fire: (() => void) | undefined;
}

/** The one time of a simulated world: it stands still but for `step`, which goes on to the next thing that is due. */
export class SimTime {
	now = 0;
	/** A binary heap by time and order; cancelled entries stay in it until their time. */
	readonly #heap: Entry[] = [];
	#order = 0;

	after(delayMs: number, fire: () => void): Timer {
		const entry: Entry = { at: this.now + Math.max(delayMs, 0), order: this.#order++, fire };
		this.#push(entry);
		return {
			cancel: () => {
				entry.fire = undefined;
			},
		};
	}

	/** Lets the next thing happen; false when nothing is left to happen. */
	step(): boolean {
		for (let next = this.#pop(); next !== undefined; next = this.#pop()) {
			const { fire } = next;
			if (fire === undefined) continue;
			this.now = next.at;
			next.fire = undefined;
			fire();
			return true;
		}
		return false;
	}

	#push(entry: Entry): void {
		const heap = this.#heap;
		let at = heap.push(entry) - 1;
		while (at > 0) {
			const parentAt = (at - 1) >> 1;
			const parent = heap[parentAt];
			if (parent === undefined || isBefore(parent, entry)) break;
			heap[at] = parent;
			at = parentAt;
		}
		heap[at] = entry;
	}

	#pop(): Entry | undefined {
		const heap = this.#heap;
		const first = heap[0];
		const last = heap.pop();
		if (first === undefined || last === undefined || heap.length === 0) return first;
		let at = 0;
		for (;;) {
			let childAt = 2 * at + 1;
			let child = heap[childAt];
			if (child === undefined) break;
			const right = heap[childAt + 1];
			if (right !== undefined && isBefore(right, child)) {
				child = right;
				childAt++;
			}
			if (isBefore(last, child)) break;
			heap[at] = child;
			at = childAt;
		}
		heap[at] = last;
		return first;
	}
}

function isBefore(a: Entry, b: Entry): boolean {
	return a.at < b.at || (a.at === b.at && a.order < b.order);
}
