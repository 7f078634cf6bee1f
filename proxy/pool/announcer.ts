import type { Clock, Timer } from "../../common/clock.ts";
import type { Bus, Urgency } from "../../events/bus.ts";
import { heartbeatMs, type PoolEvent, type PoolSnapshot, type Snapshot } from "../../events/schema.ts";

/** A pool event before the announcer adds who speaks and the state it speaks of. */
export type Announcement = PoolEvent extends infer E
	? E extends PoolEvent
		? Omit<E, "namespace" | "pool" | "snapshot">
		: never
	: never;

/** The load part of a snapshot, read afresh for each event. */
export type Load = Omit<Snapshot, "proxy" | "incarnation" | "sequence" | "admin">;

export interface AnnouncerOptions {
	readonly proxy: string;
	readonly incarnation: number;
	/** HOST:PORT where this proxy's snapshots can be read. */
	readonly admin: string | undefined;
	readonly namespace: string;
	readonly pool: string;
}

/**
 * The proxy's voice for one pool: each event carries the whole state, and the state is repeated with every heartbeat,
 * whenever a scaler asks, and when the bus comes back.
 */
export class Announcer {
	readonly #bus: Bus;
	readonly #clock: Clock;
	readonly #options: AnnouncerOptions;
	readonly #load: () => Load;
	readonly #unsubscribe: (() => void)[];
	#sequence = 0;
	#heartbeat: Timer;

	constructor(bus: Bus, clock: Clock, options: AnnouncerOptions, load: () => Load) {
		this.#bus = bus;
		this.#clock = clock;
		this.#options = options;
		this.#load = load;
		this.#heartbeat = this.#nextHeartbeat();
		this.#unsubscribe = [
			bus.onAskForStates(() => this.announce({ type: "proxy.state" })),
			bus.onStatus((status) => {
				if (status.t === "connected") this.announce({ type: "proxy.state" });
			}),
		];
		this.announce({ type: "proxy.state" });
	}

	announce(announcement: Announcement, urgency: Urgency = "soon"): void {
		this.#bus.publish({ ...announcement, ...this.snapshot() }, urgency);
	}

	/** The state now, as one more word: whoever hears it on another way than the bus can tell which word is newer. */
	snapshot(): PoolSnapshot {
		const { proxy, incarnation, namespace, pool, admin } = this.#options;
		const sequence = this.#sequence++;
		const snapshot = { proxy, incarnation, sequence, ...(admin !== undefined && { admin }), ...this.#load() };
		return { namespace, pool, snapshot };
	}

	/** The last word: scalers forget this proxy. */
	stop(): void {
		this.#heartbeat.cancel();
		for (const unsubscribe of this.#unsubscribe) unsubscribe();
		this.announce({ type: "proxy.stopped" });
	}

	#nextHeartbeat(): Timer {
		return this.#clock.after(heartbeatMs, () => {
			this.#heartbeat = this.#nextHeartbeat();
			this.announce({ type: "proxy.state" });
		});
	}
}
