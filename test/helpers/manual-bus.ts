import { Listeners } from "../../common/listeners.ts";
import type { Bus, BusStatus } from "../../events/bus.ts";
import type { DrainRequest } from "../../events/drain-request.ts";
import type { PoolEvent } from "../../events/schema.ts";

/** A bus moved by hand: `publish` reaches subscribers at once, `become` changes the status. */
export class ManualBus implements Bus {
	status: BusStatus;
	/** How often somebody asked for states. */
	asked = 0;
	readonly #status = new Listeners<[BusStatus]>();
	readonly #events = new Listeners<[PoolEvent]>();
	readonly #asks = new Listeners<[]>();
	/** Every request to drain a daemon. */
	readonly drainRequests: DrainRequest[] = [];

	constructor(status: BusStatus = { t: "connected" }) {
		this.status = status;
	}

	become(status: BusStatus): void {
		this.status = status;
		this.#status.emit(status);
	}

	onStatus(listener: (status: BusStatus) => void): () => void {
		return this.#status.add(listener);
	}

	publish(event: PoolEvent): void {
		if (this.status.t === "connected") this.#events.emit(event);
	}

	subscribe(listener: (event: PoolEvent) => void): () => void {
		return this.#events.add(listener);
	}

	askForStates(): void {
		this.asked++;
		this.#asks.emit();
	}

	onAskForStates(listener: () => void): () => void {
		return this.#asks.add(listener);
	}

	askToDrain(request: DrainRequest): void {
		if (this.status.t === "connected") this.drainRequests.push(request);
	}

	onAskToDrain(): () => void {
		return () => {};
	}

	async close(): Promise<void> {}
}
