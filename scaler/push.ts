import type { Clock, Timer } from "../common/clock.ts";
import type { PoolKey } from "./pool-key.ts";
import { type Activity, nextPush, type PushState } from "./push-schedule.ts";

/** `coalesced`: the stream still has a `true` to deliver, which serves for this one too. */
export type Pushed = "sent" | "coalesced";

/** One open StreamIsActive call. */
export interface PushStream {
	push(): Pushed;
	/** Ends with status OK: KEDA opens the next one after 2 s, without growing its backoff. */
	end(): void;
}

export interface PusherOptions {
	readonly clock: Clock;
	readonly activity: (key: PoolKey) => Activity;
	readonly onPush: (pushed: Pushed) => void;
}

/** The streams of one pool; there is one timer for all of them, and only while somebody waits. */
interface Group {
	readonly streams: Set<PushStream>;
	state: PushState;
	timer: Timer | undefined;
}

/** Tells KEDA to wake pools: `true` on the streams of those that became active or keep somebody waiting. Never `false`. */
export class Pusher {
	readonly #options: PusherOptions;
	readonly #groups = new Map<PoolKey, Group>();
	#stopped = false;

	constructor(options: PusherOptions) {
		this.#options = options;
	}

	/** Returns what frees the stream's state; calling it again does nothing. The pool need not be known yet. */
	open(key: PoolKey, stream: PushStream): () => void {
		if (this.#stopped) {
			stream.end();
			return () => {};
		}
		const group = this.#groups.get(key) ?? this.#addGroup(key);
		group.streams.add(stream);
		// An edge nobody told us of yet reaches this stream with the others; without one it still wants to know.
		if (!this.#check(key, group) && this.#options.activity(key).t === "active") this.#send(stream);
		return () => this.#remove(key, group, stream);
	}

	/** To be called whenever the demand of the pool may have changed. */
	changed(key: PoolKey): void {
		const group = this.#groups.get(key);
		if (group !== undefined) this.#check(key, group);
	}

	/** The same for every pool. */
	allChanged(): void {
		for (const [key, group] of this.#groups) this.#check(key, group);
	}

	/** Open streams of each pool that has any. */
	streams(): ReadonlyMap<PoolKey, number> {
		return new Map(Array.from(this.#groups, ([key, { streams }]) => [key, streams.size]));
	}

	/** Ends every stream, and those opened from now on. */
	stop(): void {
		this.#stopped = true;
		for (const { streams, timer } of this.#groups.values()) {
			timer?.cancel();
			for (const stream of streams) stream.end();
		}
		this.#groups.clear();
	}

	#addGroup(key: PoolKey): Group {
		const group: Group = { streams: new Set(), state: { t: "idle" }, timer: undefined };
		this.#groups.set(key, group);
		return group;
	}

	#remove(key: PoolKey, group: Group, stream: PushStream): void {
		if (!group.streams.delete(stream) || group.streams.size > 0) return;
		group.timer?.cancel();
		this.#groups.delete(key);
	}

	#check(key: PoolKey, group: Group): boolean {
		const { clock, activity } = this.#options;
		const now = clock.now();
		const current = activity(key);
		const { state, push } = nextPush(group.state, current, now);
		group.state = state;
		group.timer?.cancel();
		group.timer =
			state.t === "waiting" && current.t === "active"
				? clock.after(Math.max(state.nextAt - now, 0), () => this.#check(key, group))
				: undefined;
		if (push) for (const stream of group.streams) this.#send(stream);
		return push;
	}

	#send(stream: PushStream): void {
		this.#options.onPush(stream.push());
	}
}
