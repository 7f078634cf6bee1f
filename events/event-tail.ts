import { type Decoded, decodeCloudEvent } from "./cloud-event.ts";
import { streamTrouble } from "./event-stream.ts";
import type { NatsLink } from "./nats-link.ts";
import { NatsSession, type NatsSessionOptions } from "./nats-session.ts";
import type { PoolName } from "./schema.ts";
import { eventsSubject } from "./subject.ts";

export interface EventTailOptions extends NatsSessionOptions {
	/** What of a pool's name is left out is not asked for. */
	readonly only: Partial<PoolName>;
	/** Begins that long ago, where a stream keeps the events. */
	readonly sinceMs?: number | undefined;
	/** Gets each message, also one that is no event. */
	readonly onMessage: (decoded: Decoded, payload: Uint8Array) => void;
	/** For people: something about the way, not about the events. */
	readonly onNote: (note: string) => void;
}

/** Follows the events of some pools, across outages of NATS. */
export class EventTail {
	readonly #options: EventTailOptions;
	readonly #session: NatsSession;
	readonly #subject: string;
	readonly #startTime: string | undefined;
	/** In the stream: where to go on after an outage. */
	#lastSequence = 0;

	/** Throws CONFIG_INVALID for a wrong URL or file. */
	constructor(options: EventTailOptions) {
		const { only, sinceMs, clock } = options;
		this.#options = options;
		this.#subject = eventsSubject(only);
		this.#startTime = sinceMs === undefined ? undefined : new Date(clock.wallTime() - sinceMs).toISOString();
		this.#session = new NatsSession(options, (link) => {
			if (this.#startTime === undefined) this.#followLive(link);
			else void this.#followStream(link, this.#startTime);
		});
	}

	close(): Promise<void> {
		return this.#session.close();
	}

	#followLive(link: NatsLink): void {
		link.subscribe(this.#subject, ({ subject, data }) => this.#take(subject, data));
	}

	/** The stream has what is new as well, so that nothing is missed or told twice where history ends. */
	async #followStream(link: NatsLink, startTime: string): Promise<void> {
		try {
			const { streams } = await link.streamManager();
			const stream = await streams.find(this.#subject);
			const start =
				this.#lastSequence > 0 ? { opt_start_seq: this.#lastSequence + 1 } : { opt_start_time: startTime };
			const consumer = await link
				.streamReader()
				.consumers.get(stream, { filterSubjects: this.#subject, ...start });
			for await (const { subject, data, seq } of await consumer.consume()) {
				this.#lastSequence = seq;
				this.#take(subject, data);
			}
			throw new Error("the stream ended");
		} catch (error) {
			// The session says what became of the connection itself.
			if (this.#session.link !== link) return;
			// It was there before: a cluster may need a moment to find it again.
			if (this.#lastSequence > 0) return link.end(`history: ${streamTrouble(error)}`);
			this.#options.onNote(`no history (${streamTrouble(error)}): only what comes from now on`);
			this.#followLive(link);
		}
	}

	#take(subject: string, payload: Uint8Array): void {
		this.#options.onMessage(decodeCloudEvent(subject, payload), payload);
	}
}
