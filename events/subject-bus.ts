import type { Clock, Timer } from "../common/clock.ts";
import { ScalerError } from "../common/error.ts";
import { Listeners } from "../common/listeners.ts";
import type { Bus, BusStatus, Urgency } from "./bus.ts";
import { decodeCloudEvent, encodeCloudEvent } from "./cloud-event.ts";
import { type DrainRequest, decodeDrainRequest, encodeDrainRequest } from "./drain-request.ts";
import type { OnInvalid } from "./invalid-events.ts";
import type { PoolEvent, PoolName } from "./schema.ts";
import { askSubject, drainSubject, eventSubject, eventsSubject } from "./subject.ts";

/** What became of an event: handed over, or lost, as the bus was away or does not take it. */
export type PublishOutcome = "sent" | "disconnected" | "refused";

export interface SubjectBusOptions {
	readonly clock: Clock;
	/** Told of each message that was dropped: EVENT_INVALID when received, INTERNAL when it could not be sent. */
	readonly onInvalid?: OnInvalid;
	/** Told of each event that was published here. */
	readonly onPublished?: (event: PoolEvent, outcome: PublishOutcome) => void;
}

/** What carries messages to everybody else who listens to their subject; nothing comes back to the sender. */
export interface SubjectLink {
	/** Throws for what is never taken, such as a payload that is too large. */
	publish(subject: string, payload: string): void;
	/** A subject, or a pattern of `eventsSubject`. */
	subscribe(subject: string, handler: (message: SubjectMessage) => void): void;
}

export interface SubjectMessage {
	readonly subject: string;
	readonly data: Uint8Array;
}

/** Makes links, again and again. */
export interface SubjectSession {
	readonly status: BusStatus;
	onStatus(listener: (status: BusStatus) => void): () => void;
	/** Undefined while there is none. */
	readonly link: SubjectLink | undefined;
	/** Sends what was published and leaves. */
	close(): Promise<void>;
}

/**
 * Events that are not urgent wait so long for company. A client's connect takes less, and what is said of it would stand in its way: three
 * messages cost more than the rest of what a connect takes.
 */
const outboxMs = 2;

/**
 * The bus over anything that carries messages by subject. Whoever hears "connected" says its whole state: nothing was
 * kept for the time without.
 */
export class SubjectBus implements Bus {
	readonly #options: SubjectBusOptions;
	readonly #session: SubjectSession;
	/** By subject. */
	readonly #events = new Map<string, Listeners<[PoolEvent]>>();
	readonly #asks = new Listeners<[]>();
	/** By subject. */
	readonly #drains = new Map<string, Listeners<[DrainRequest]>>();
	/** What to do with the messages of each subject that somebody here listens to. */
	readonly #handlers = new Map<string, (message: SubjectMessage) => void>();
	readonly #outbox: { readonly event: PoolEvent; readonly at: number }[] = [];
	#flushing: Timer | undefined;

	/** `open` gets what each new link is to be given before the status says that there is one. */
	constructor(options: SubjectBusOptions, open: (onLink: (link: SubjectLink) => void) => SubjectSession) {
		this.#options = options;
		this.#session = open((link) => {
			for (const [subject, handler] of this.#handlers) link.subscribe(subject, handler);
		});
	}

	get status(): BusStatus {
		return this.#session.status;
	}

	onStatus(listener: (status: BusStatus) => void): () => void {
		return this.#session.onStatus(listener);
	}

	publish(event: PoolEvent, urgency: Urgency = "soon"): void {
		const { clock, onPublished } = this.#options;
		if (this.#session.link === undefined) return onPublished?.(event, "disconnected");
		this.#outbox.push({ event, at: clock.wallTime() });
		if (urgency === "now") this.#flush();
		else this.#flushing ??= clock.after(outboxMs, () => this.#flush());
	}

	subscribe(listener: (event: PoolEvent) => void, only?: PoolName): () => void {
		const wanted = eventsSubject(only);
		const events = this.#events.get(wanted) ?? new Listeners<[PoolEvent]>();
		this.#events.set(wanted, events);
		this.#handle(wanted, ({ subject, data }) => {
			const decoded = decodeCloudEvent(subject, data);
			if (decoded.t === "event") events.emit(decoded.event);
			else this.#options.onInvalid?.(decoded.error, decoded.cause);
		});
		return events.add(listener);
	}

	askForStates(): void {
		if (this.#send(askSubject, "") !== "sent") return;
		// What is not sent back to us is delivered here, and as late as if it were.
		queueMicrotask(() => this.#guard(() => this.#asks.emit()));
	}

	onAskForStates(listener: () => void): () => void {
		this.#handle(askSubject, () => this.#asks.emit());
		return this.#asks.add(listener);
	}

	askToDrain(request: DrainRequest): void {
		const wanted = drainSubject(request);
		if (this.#send(wanted, encodeDrainRequest(request)) !== "sent") return;
		queueMicrotask(() => this.#guard(() => this.#drains.get(wanted)?.emit(request)));
	}

	onAskToDrain(listener: (request: DrainRequest) => void, of: PoolName): () => void {
		const wanted = drainSubject(of);
		const drains = this.#drains.get(wanted) ?? new Listeners<[DrainRequest]>();
		this.#drains.set(wanted, drains);
		this.#handle(wanted, ({ data }) => {
			const decoded = decodeDrainRequest(data, of);
			if (decoded.t === "request") drains.emit(decoded.request);
			else this.#options.onInvalid?.(decoded.error, decoded.cause);
		});
		return drains.add(listener);
	}

	close(): Promise<void> {
		this.#flush();
		return this.#session.close();
	}

	/**
	 * Sends what was published. It is not sent back to us, for a proxy would spend more on reading its own
	 * words than on saying them: who listens here is told here.
	 */
	#flush(): void {
		this.#flushing?.cancel();
		this.#flushing = undefined;
		for (const { event, at } of this.#outbox.splice(0)) {
			const outcome = this.#send(eventSubject(event), encodeCloudEvent(event, at));
			this.#options.onPublished?.(event, outcome);
			if (outcome !== "sent") continue;
			for (const wanted of [eventsSubject(), eventsSubject(event)]) {
				this.#guard(() => this.#events.get(wanted)?.emit(event));
			}
		}
	}

	#send(subject: string, payload: string): PublishOutcome {
		const { link } = this.#session;
		if (link === undefined) return "disconnected";
		try {
			link.publish(subject, payload);
			return "sent";
		} catch (error) {
			this.#options.onInvalid?.(ScalerError.from(error), "notTaken");
			return "refused";
		}
	}

	#handle(subject: string, handler: (message: SubjectMessage) => void): void {
		if (this.#handlers.has(subject)) return;
		const guarded = (message: SubjectMessage) => this.#guard(() => handler(message));
		this.#handlers.set(subject, guarded);
		this.#session.link?.subscribe(subject, guarded);
	}

	#guard(run: () => void): void {
		try {
			run();
		} catch (error) {
			this.#options.onInvalid?.(ScalerError.from(error), "listenerFailed");
		}
	}
}
