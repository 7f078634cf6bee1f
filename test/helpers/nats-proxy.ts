import { systemClock } from "../../common/clock.ts";
import { NatsBus } from "../../events/nats-bus.ts";
import { heartbeatMs, type PoolEvent } from "../../events/schema.ts";
import { type EventParts, poolEvent } from "./pool-event.ts";

/** Speaks on NATS as a proxy does: on each change, with each heartbeat, when asked, and when the bus comes back. */
export class NatsProxy {
	readonly bus: NatsBus;
	readonly #heartbeat: NodeJS.Timeout;
	#load: EventParts = {};
	#sequence = 0;

	constructor(url: string) {
		this.bus = new NatsBus({ url, name: "proxy", clock: systemClock });
		this.bus.onAskForStates(() => this.#announce());
		this.bus.onStatus(({ t }) => t === "connected" && this.#announce());
		this.#heartbeat = setInterval(() => this.#announce(), heartbeatMs);
	}

	say(load: EventParts): void {
		this.#load = load;
		this.#announce();
	}

	/** A client's preface came in: the one event that has to be quick. */
	opened(): void {
		this.#load = { ...this.#load, waiting: (this.#load.waiting ?? 0) + 1 };
		const event = poolEvent({ ...this.#load, sequence: this.#sequence++ });
		const connection = { id: "c-1", client: "127.0.0.1:50000" };
		this.bus.publish({ ...event, type: "connection.opened", connection } satisfies PoolEvent);
	}

	async close(): Promise<void> {
		clearInterval(this.#heartbeat);
		await this.bus.close();
	}

	#announce(): void {
		this.bus.publish(poolEvent({ ...this.#load, sequence: this.#sequence++ }));
	}
}

export async function connected(bus: NatsBus): Promise<void> {
	if (bus.status.t === "connected") return;
	await new Promise<void>((resolve) => {
		const stop = bus.onStatus(({ t }) => {
			if (t !== "connected") return;
			stop();
			resolve();
		});
	});
}
