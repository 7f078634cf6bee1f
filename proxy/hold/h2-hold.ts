import type { Clock, Timer } from "../../common/clock.ts";
import { unreachable } from "../../common/error.ts";
import type { CloseReason } from "../../events/schema.ts";
import { FirstFrame } from "./first-frame.ts";
import { purposeOf } from "./first-request.ts";
import { grpcFailure } from "./grpc-failure.ts";
import type { FirstAnswer, Hold, HoldEvents } from "./hold.ts";
import { HoldReader, type HoldVerdict } from "./hold-reader.ts";
import { earlySettings, goaway, type H2Error, h2Error, pingAck, settingsAck } from "./http2.ts";
import { TokenBucket } from "./token-bucket.ts";
import { traceParentOf } from "./trace-parent.ts";

/** The client's side of the connection, as far as a hold uses it. */
export interface HeldWire {
	readonly pendingBytes: number;
	write(bytes: Uint8Array): void;
	end(): void;
}

export interface H2HoldOptions {
	/** From our SETTINGS to their ACK. */
	readonly handshakeMs: number;
	/** Unread answers that a client may let pile up. */
	readonly maxUnreadBytes: number;
	/** PINGs that are answered at once, and how often one more. */
	readonly pingBurst: number;
	readonly pingRefillMs: number;
	/** Streams that a client may have open before it has a daemon. */
	readonly maxHeldStreams: number;
	readonly clock: Clock;
}

/**
 * Holds an HTTP/2 client as its server would: SETTINGS at once, PINGs answered, and every stream that it opens told why
 * when there is no daemon to be had. grpc-go gives up after 20 s without SETTINGS (minConnectTimeout) and, once it has
 * them, never.
 */
export class H2Hold implements Hold {
	readonly maxWaitMs = undefined;
	readonly #wire: HeldWire;
	readonly #events: HoldEvents;
	readonly #options: H2HoldOptions;
	readonly #reader = new HoldReader();
	/** Whether the preface was complete, and answered with our SETTINGS. */
	#greeted = false;
	readonly #openStreams = new Set<number>();
	readonly #pings: TokenBucket;
	#failure: string | undefined;
	#ackTimer: Timer | undefined;
	#closed = false;

	constructor(wire: HeldWire, events: HoldEvents, options: H2HoldOptions) {
		this.#wire = wire;
		this.#events = events;
		this.#options = options;
		this.#pings = new TokenBucket(options.pingBurst, options.pingRefillMs, options.clock.now());
	}

	get unasked(): CloseReason {
		return this.#greeted ? "noRequest" : "noPreface";
	}

	/** Only once the one SETTINGS ACK that answers us was dropped. */
	get isTransparent(): boolean {
		return this.#reader.ackSeen;
	}

	read(bytes: Buffer): boolean {
		let takenWhole = true;
		for (const verdict of this.#reader.read(bytes)) {
			if (this.#closed) return true;
			takenWhole = this.#take(verdict) && takenWhole;
		}
		return takenWhole;
	}

	firstAnswer(): FirstAnswer {
		return new FirstFrame();
	}

	release(): Uint8Array {
		return this.#reader.release();
	}

	fail(message: string): void {
		this.#failure = message;
		// Having no daemon, we are the client's server to the end: its SETTINGS are ours to acknowledge.
		this.#wire.write(settingsAck);
		for (const streamId of this.#openStreams) this.#wire.write(grpcFailure(streamId, message));
		this.#openStreams.clear();
	}

	goodbye(code: H2Error, message: string): void {
		if (!this.#greeted) return;
		this.#wire.write(goaway(0, code, message));
		this.#wire.end();
	}

	close(): void {
		this.#closed = true;
		this.#ackTimer?.cancel();
	}

	#take(verdict: HoldVerdict): boolean {
		switch (verdict.t) {
			case "preface":
				this.#greet();
				return true;
			case "request":
				this.#events.requested(purposeOf(verdict.headers), traceParentOf(verdict.headers));
				return true;
			case "keep":
				return this.#events.keep(verdict.bytes);
			case "settingsAck":
				this.#ackTimer?.cancel();
				return true;
			case "ping":
				this.#pinged(verdict.payload);
				return true;
			case "streamOpened":
				this.#streamOpened(verdict.streamId);
				return true;
			case "streamReset":
				this.#openStreams.delete(verdict.streamId);
				return true;
			case "refuse":
				this.#refuse(verdict.reason, verdict.code, verdict.message);
				return true;
			default:
				return unreachable(verdict);
		}
	}

	/** The preface is complete: the client is answered at once, and from here on waits as long as we like. */
	#greet(): void {
		const { clock, handshakeMs } = this.#options;
		this.#greeted = true;
		this.#wire.write(earlySettings);
		this.#ackTimer = clock.after(handshakeMs, () =>
			this.#refuse("noSettingsAck", h2Error.settingsTimeout, "no SETTINGS ACK"),
		);
	}

	/** grpc-go's keepalive is one PING in 10 s at most, and its bandwidth estimate sends one only after DATA. */
	#pinged(payload: Uint8Array): void {
		if (this.#pings.take(this.#options.clock.now())) return this.#answer(pingAck(payload));
		this.#refuse("tooManyPings", h2Error.enhanceYourCalm, "too_many_pings");
	}

	#streamOpened(streamId: number): void {
		if (this.#failure !== undefined) return this.#answer(grpcFailure(streamId, this.#failure));
		this.#openStreams.add(streamId);
		const { maxHeldStreams } = this.#options;
		if (this.#openStreams.size <= maxHeldStreams) return;
		this.#refuse("tooManyStreams", h2Error.enhanceYourCalm, `more than ${maxHeldStreams} streams`);
	}

	#answer(bytes: Buffer): void {
		this.#wire.write(bytes);
		if (this.#wire.pendingBytes <= this.#options.maxUnreadBytes) return;
		this.#events.refused("protocolError", "does not read its answers");
	}

	#refuse(reason: CloseReason, code: H2Error, message: string): void {
		this.goodbye(code, message);
		this.#events.refused(reason, message);
	}
}
