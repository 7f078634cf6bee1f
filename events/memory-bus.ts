import { Listeners } from "../common/listeners.ts";
import type { Bus, BusStatus } from "./bus.ts";
import type { DrainRequest } from "./drain-request.ts";
import type { PoolEvent, PoolName } from "./schema.ts";

/** The bus of a single process (`buildkit-scaler local` without --nats): always connected. */
export class MemoryBus implements Bus {
	readonly status: BusStatus = { t: "connected" };
	readonly #events = new Listeners<[PoolEvent]>();
	readonly #asks = new Listeners<[]>();
	readonly #drains = new Listeners<[DrainRequest]>();

	onStatus(): () => void {
		return () => {};
	}

	publish(event: PoolEvent): void {
		// Delivered later, as a network would: a publisher never runs a subscriber's code inside its own.
		queueMicrotask(() => this.#events.emit(event));
	}

	subscribe(listener: (event: PoolEvent) => void, only?: PoolName): () => void {
		return this.#events.add((event) => {
			if (only === undefined || (event.namespace === only.namespace && event.pool === only.pool))
				listener(event);
		});
	}

	askForStates(): void {
		queueMicrotask(() => this.#asks.emit());
	}

	onAskForStates(listener: () => void): () => void {
		return this.#asks.add(listener);
	}

	askToDrain(request: DrainRequest): void {
		queueMicrotask(() => this.#drains.emit(request));
	}

	onAskToDrain(listener: (request: DrainRequest) => void, { namespace, pool }: PoolName): () => void {
		return this.#drains.add((request) => {
			if (request.namespace === namespace && request.pool === pool) listener(request);
		});
	}

	async close(): Promise<void> {}
}
