import type { DrainRequest } from "./drain-request.ts";
import type { PoolEvent, PoolName } from "./schema.ts";

export type BusStatus =
	| { readonly t: "connected" }
	| {
			readonly t: "disconnected" /** For /readyz and logs; never holds a credential. */;
			readonly reason: string;
	  };

/** `now`: somebody waits for what the event will set going. Else it may go with those of the next moment. */
export type Urgency = "now" | "soon";

/**
 * Carries events from proxies to scalers, at most once. Nothing is queued while the bus is away: a snapshot is
 * absolute, so whoever missed some is right again with the next.
 */
export interface Bus {
	readonly status: BusStatus;
	/** Called on each change of `status`. Returns the function that stops it. */
	onStatus(listener: (status: BusStatus) => void): () => void;
	/** Sends to every subscriber; does nothing while disconnected. Never throws. */
	publish(event: PoolEvent, urgency?: Urgency): void;
	/** Every event of this pool, or of all of them, already validated; also those that were published here. */
	subscribe(listener: (event: PoolEvent) => void, only?: PoolName): () => void;
	/** Asks every proxy to publish its `proxy.state` of each pool. */
	askForStates(): void;
	onAskForStates(listener: () => void): () => void;
	/** Asks every proxy of the pool to give a daemon no new builds for `drainMarkMs`. Lost while disconnected. */
	askToDrain(request: DrainRequest): void;
	onAskToDrain(listener: (request: DrainRequest) => void, of: PoolName): () => void;
	/** Sends what was published and leaves. */
	close(): Promise<void>;
}
