import {
	type ConnectionOptions,
	connect,
	DebugEvents,
	type JetStreamClient,
	type JetStreamManager,
	type Msg,
	type NatsConnection,
} from "nats";

const connectTimeoutMs = 5_000;

/** One connection to NATS, from the connect to its end. It never reconnects. */
export class NatsLink {
	/** Resolves, with words for people, when the connection is over. */
	readonly ended: Promise<string>;
	readonly #connection: NatsConnection;
	#reason: string | undefined;

	private constructor(connection: NatsConnection) {
		this.#connection = connection;
		this.ended = connection.closed().then((error) => this.#reason ?? natsReason(error));
		void this.#endWhenStale();
	}

	/** `access`: where, and who we are. Throws what the nats client throws: `natsReason` reads it. */
	static async connect(access: ConnectionOptions, pingIntervalMs: number): Promise<NatsLink> {
		const connection = await connect({
			...access,
			reconnect: false,
			noEcho: true,
			// The client would ask DNS itself: without /etc/hosts and search domains, and beyond `timeout` when no answer
			// comes, as in a pod whose network is just being set up. The system resolves the name when it connects.
			resolve: false,
			timeout: connectTimeoutMs,
			pingInterval: pingIntervalMs,
			maxPingOut: 2,
		});
		return new NatsLink(connection);
	}

	/** Throws when the message is larger than the server takes, or the connection is over. */
	publish(subject: string, payload: string): void {
		this.#connection.publish(subject, payload);
	}

	/** `handle` must not throw: that would stop the nats client's reader for good. */
	subscribe(subject: string, handle: (message: Msg) => void): void {
		this.#connection.subscribe(subject, {
			callback: (error, message) => {
				// Not allowed to listen: it would look connected, and silence would look like nobody building.
				if (error !== null) this.end(natsReason(error));
				else handle(message);
			},
		});
	}

	/** Reads streams, where the server has JetStream. */
	streamReader(): JetStreamClient {
		return this.#connection.jetstream();
	}

	/** Makes and finds streams. Unchecked: without JetStream it is the first call that fails. */
	streamManager(): Promise<JetStreamManager> {
		return this.#connection.jetstreamManager({ checkAPI: false });
	}

	/** Ends the connection at once; the first `reason` counts. */
	end(reason: string): void {
		this.#reason ??= reason;
		void this.#connection.close();
	}

	/** Ends it when what was published is with the server. Watch `ended`: a server that hangs never lets it. */
	drain(): void {
		this.#connection.drain().catch(() => this.end("closed"));
	}

	/** nats notices that a server is silent, but flushes to it first; with a full socket that never ends. */
	async #endWhenStale(): Promise<void> {
		for await (const { type } of this.#connection.status())
			if (type === DebugEvents.StaleConnection) this.end("no answer to pings");
	}
}

/** Words for people: the nats client's messages are often codes like CONNECTION_REFUSED. */
export function natsReason(error: unknown): string {
	if (!(error instanceof Error)) return "connection closed";
	const { message } = error;
	const words = /^[A-Z_]+$/.test(message) ? message.toLowerCase().replaceAll("_", " ") : message;
	return words.slice(0, 200);
}
