import type { PoolKey } from "./pool-key.ts";

/** One open StreamMetricSpec call. */
export interface SpecStream {
	/** Delivers the target, or the latest one as soon as the stream can take it. */
	send(target: number): void;
	/** Ends with status OK. */
	end(): void;
}

interface Group {
	readonly streams: Set<SpecStream>;
	/** What all of them were told last. */
	target: number | undefined;
}

/**
 * Tells KEDA the targets of pools, and each change of one: an HPA then follows a changed capacity without an edit of its
 * ScaledObject. Silent while a target is not known, for an update without specs is a fault (kedacore/keda#8115).
 */
export class SpecPusher {
	readonly #targetOf: (key: PoolKey) => number | undefined;
	readonly #groups = new Map<PoolKey, Group>();
	/** Streams whose target never changes. */
	readonly #fixed = new Set<SpecStream>();
	#stopped = false;

	constructor(targetOf: (key: PoolKey) => number | undefined) {
		this.#targetOf = targetOf;
	}

	/** With `target` the metadata says it, else it is the pool's capacity. Returns what frees the stream's state, once. */
	open(key: PoolKey, target: number | undefined, stream: SpecStream): () => void {
		if (this.#stopped) {
			stream.end();
			return () => {};
		}
		if (target !== undefined) {
			this.#fixed.add(stream);
			stream.send(target);
			return () => void this.#fixed.delete(stream);
		}
		const group = this.#groups.get(key) ?? this.#addGroup(key);
		// The others first: a change that nobody told us of yet is theirs too.
		this.changed(key);
		group.streams.add(stream);
		if (group.target !== undefined) stream.send(group.target);
		return () => {
			if (group.streams.delete(stream) && group.streams.size === 0) this.#groups.delete(key);
		};
	}

	/** To be called whenever the capacity of the pool may have changed. */
	changed(key: PoolKey): void {
		const group = this.#groups.get(key);
		if (group === undefined) return;
		const target = this.#targetOf(key) ?? group.target;
		if (target === undefined || target === group.target) return;
		group.target = target;
		for (const stream of group.streams) stream.send(target);
	}

	/** Ends every stream, and those opened from now on. */
	stop(): void {
		this.#stopped = true;
		for (const stream of [
			...this.#fixed,
			...[...this.#groups.values()].flatMap(({ streams }) => [...streams]),
		])
			stream.end();
		this.#fixed.clear();
		this.#groups.clear();
	}

	#addGroup(key: PoolKey): Group {
		const group: Group = { streams: new Set(), target: undefined };
		this.#groups.set(key, group);
		return group;
	}
}
