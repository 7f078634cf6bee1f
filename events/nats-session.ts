import type { Clock, Timer } from "../common/clock.ts";
import { Listeners } from "../common/listeners.ts";
import type { BusStatus } from "./bus.ts";
import { NatsAccess, type NatsFiles } from "./nats-access.ts";
import { NatsLink, natsReason } from "./nats-link.ts";

export interface NatsSessionOptions {
	/** See `parseNatsUrl`. */
	readonly url: string;
	/** Read at each connect. */
	readonly files?: NatsFiles;
	/** Shown in the NATS server's list of connections. */
	readonly name: string;
	readonly clock: Clock;
	/** Told why there is no connection, once for each connect that fails and each connection that ends. */
	readonly onTrouble?: (reason: string) => void;
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
 * Connects to NATS in the background from the moment it is made, and again until it is closed.
 *
 * The nats client's own reconnecting stays off, so that one path leads to "connected": it cannot be cancelled, gives
 * up after some errors (two refusals of the same credentials), and sends afterwards what was published during the
 * outage. Here each connection starts empty, with the credentials and certificates that are in the files by then.
 */
export class NatsSession {
	readonly #options: NatsSessionOptions;
	readonly #access: NatsAccess;
	readonly #onLink: (link: NatsLink) => void;
	readonly #statusListeners = new Listeners<[BusStatus]>();
	#status: BusStatus = { t: "disconnected", reason: "connecting" };
	#link: NatsLink | undefined;
	#retry: Timer | undefined;
	#closed = false;
	/** Of several servers each attempt takes the next one, the first by chance. */
	#attempt: number;

	/** `onLink` gets each connection before the status says so. Throws CONFIG_INVALID for a wrong URL or file. */
	constructor(options: NatsSessionOptions, onLink: (link: NatsLink) => void) {
		this.#options = options;
		this.#access = new NatsAccess(options.url, options.files ?? {}, options.clock);
		this.#onLink = onLink;
		this.#attempt = Math.floor(Math.random() * this.#access.servers.length);
		void this.#connect();
	}

	get status(): BusStatus {
		return this.#status;
	}

	/** Undefined while there is none. */
	get link(): NatsLink | undefined {
		return this.#link;
	}

	onStatus(listener: (status: BusStatus) => void): () => void {
		return this.#statusListeners.add(listener);
	}

	/** Sends what was published and leaves. */
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
		const { name, pingIntervalMs = defaultPingIntervalMs } = this.#options;
		const { servers } = this.#access;
		const server = servers[this.#attempt++ % servers.length] ?? "";
		let link: NatsLink;
		try {
			link = await NatsLink.connect({ ...this.#access.optionsFor(server), name }, pingIntervalMs);
		} catch (error) {
			return this.#lost(server, natsReason(error));
		}
		void link.ended.then((reason) => this.#lost(server, reason));
		// Closed in the meantime: a connect under way cannot be cancelled.
		if (this.#closed) return link.end("closed");
		this.#link = link;
		// Before the status: who hears it asks for states, and the answers must find the subscription.
		this.#onLink(link);
		this.#setStatus({ t: "connected" });
	}

	#lost(server: string, why: string): void {
		this.#link = undefined;
		if (this.#closed) return this.#setStatus({ t: "disconnected", reason: "closed" });
		const reason = `NATS at ${server}: ${why}`;
		this.#setStatus({ t: "disconnected", reason });
		this.#options.onTrouble?.(reason);
		const delayMs = retryMs + Math.random() * retryJitterMs;
		this.#retry = this.#options.clock.after(delayMs, () => void this.#connect());
	}

	/** Listeners hear of each change between connected and not; a new reason is there to be read only. */
	#setStatus(status: BusStatus): void {
		const changed = this.#status.t !== status.t;
		this.#status = status;
		if (changed) this.#statusListeners.emit(status);
	}
}
