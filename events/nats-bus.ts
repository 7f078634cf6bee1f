import type { Msg } from "nats";
import type { Clock, Timer } from "../common/clock.ts";
import { ScalerError } from "../common/error.ts";
import { Listeners } from "../common/listeners.ts";
import type { Bus, BusStatus, PoolName } from "./bus.ts";
import { decodeCloudEvent, encodeCloudEvent } from "./cloud-event.ts";
import { NatsLink, type NatsLinkOptions, natsReason } from "./nats-link.ts";
import { parseNatsUrl } from "./nats-url.ts";
import type { PoolEvent } from "./schema.ts";
import { allEventsSubject, askSubject, eventSubject, poolEventsSubject } from "./subject.ts";

export interface NatsBusOptions {
	/** See `parseNatsUrl`. */
	readonly url: string;
	/** Shown in the NATS server's list of connections. */
	readonly name: string;
	readonly clock: Clock;
	/** Told of each message that was dropped: EVENT_INVALID when received, INTERNAL when it could not be sent. */
	readonly onInvalid?: (error: ScalerError) => void;
	/** How often the server is asked for a sign of life; two questions without an answer end the connection. */
	readonly pingIntervalMs?: number;
}

/** With the jitter well below a second, so that after an outage everybody is back within one heartbeat. */
const retryMs = 200;
const retryJitterMs = 100;
const defaultPingIntervalMs = 5_000;
/** A server that does not answer must not hold up our own stop. */
const drainTimeoutMs = 2_000;

/**
 * The bus over core NATS. It connects in the background from the moment it is made, and again until it is closed.
 *
 * The nats client's own reconnecting stays off, so that one path leads to "connected": it cannot be cancelled, gives
 * up after some errors, and sends afterwards what was published during the outage. Here each connection starts empty,
 * and whoever hears "connected" says its whole state.
 */
export class NatsBus implements Bus {
	readonly #options: NatsBusOptions;
	readonly #linkOptions: NatsLinkOptions;
	readonly #statusListeners = new Listeners<[BusStatus]>();
	/** By subject. */
	readonly #events = new Map<string, Listeners<[PoolEvent]>>();
	readonly #asks = new Listeners<[]>();
	/** What to do with the messages of each subject that somebody here listens to. */
	readonly #handlers = new Map<string, (message: Msg) => void>();
	#status: BusStatus = { t: "disconnected", reason: "connecting" };
	#link: NatsLink | undefined;
	#retry: Timer | undefined;
	#closed = false;

	/** Throws CONFIG_INVALID for a URL that is none. */
	constructor(options: NatsBusOptions) {
		const { url, name, pingIntervalMs = defaultPingIntervalMs } = options;
		this.#options = options;
		this.#linkOptions = { address: parseNatsUrl(url), name, pingIntervalMs };
		void this.#connect();
	}

	get status(): BusStatus {
		return this.#status;
	}

	onStatus(listener: (status: BusStatus) => void): () => void {
		return this.#statusListeners.add(listener);
	}

	publish(event: PoolEvent): void {
		if (this.#link === undefined) return;
		this.#send(eventSubject(event), encodeCloudEvent(event, this.#options.clock.wallTime()));
	}

	subscribe(listener: (event: PoolEvent) => void, only?: PoolName): () => void {
		const wanted = only === undefined ? allEventsSubject : poolEventsSubject(only);
		const events = this.#events.get(wanted) ?? new Listeners<[PoolEvent]>();
		this.#events.set(wanted, events);
		this.#handle(wanted, ({ subject, data }) => events.emit(decodeCloudEvent(subject, data)));
		return events.add(listener);
	}

	askForStates(): void {
		this.#send(askSubject, "");
	}

	onAskForStates(listener: () => void): () => void {
		this.#handle(askSubject, () => this.#asks.emit());
		return this.#asks.add(listener);
	}

	async close(): Promise<void> {
		if (this.#closed) return;
		this.#closed = true;
		this.#retry?.cancel();
		const link = this.#link;
		if (link === undefined) return this.#setStatus({ t: "disconnected", reason: "closed" });
		const timeout = this.#options.clock.after(drainTimeoutMs, () => link.end("closed"));
		link.drain();
		await link.ended;
		timeout.cancel();
	}

	async #connect(): Promise<void> {
		let link: NatsLink;
		try {
			link = await NatsLink.connect(this.#linkOptions);
		} catch (error) {
			return this.#lost(natsReason(error));
		}
		void link.ended.then((reason) => this.#lost(reason));
		// Closed in the meantime: a connect under way cannot be cancelled.
		if (this.#closed) return link.end("closed");
		this.#link = link;
		// Before the status: who hears it asks for states, and the answers must find the subscription.
		for (const [subject, handler] of this.#handlers) link.subscribe(subject, handler);
		this.#setStatus({ t: "connected" });
	}

	#lost(reason: string): void {
		this.#link = undefined;
		if (this.#closed) return this.#setStatus({ t: "disconnected", reason: "closed" });
		const where = this.#linkOptions.address.servers.join(", ");
		this.#setStatus({ t: "disconnected", reason: `NATS at ${where}: ${reason}` });
		const delayMs = retryMs + Math.random() * retryJitterMs;
		this.#retry = this.#options.clock.after(delayMs, () => void this.#connect());
	}

	/** Listeners hear of each change between connected and not; a new reason is there to be read only. */
	#setStatus(status: BusStatus): void {
		const changed = this.#status.t !== status.t;
		this.#status = status;
		if (changed) this.#statusListeners.emit(status);
	}

	#send(subject: string, payload: string): void {
		try {
			this.#link?.publish(subject, payload);
		} catch (error) {
			this.#options.onInvalid?.(ScalerError.from(error));
		}
	}

	#handle(subject: string, handler: (message: Msg) => void): void {
		if (this.#handlers.has(subject)) return;
		const guarded = (message: Msg) => {
			try {
				handler(message);
			} catch (error) {
				this.#options.onInvalid?.(ScalerError.from(error));
			}
		};
		this.#handlers.set(subject, guarded);
		this.#link?.subscribe(subject, guarded);
	}
}
