import type { CloseReason } from "../../events/schema.ts";
import type { FirstAnswer, FirstAnswerVerdict, Hold, HoldEvents } from "./hold.ts";

/** TLS record types (RFC 8446, 5.1). */
const alert = 21;
const handshake = 22;

/** A fatal alert "internal_error" (RFC 8446, 6): all that can be said to a client whose TLS is not ours. */
const fatalAlert = Buffer.from([alert, 3, 3, 0, 2, 2, 80]);

/** Less than grpc-go's minConnectTimeout of 20 s, so that it is us who end it, and count it. */
const passthroughWaitMs = 18_000;

interface HeldWire {
	write(bytes: Uint8Array): void;
	end(): void;
}

/**
 * Holds a client whose TLS ends at its daemon: it has sent its ClientHello and waits for the answer, which only the
 * daemon can give. So nothing can be said to it, what it wants is unknown, and it waits no longer than grpc-go's 20 s
 * for connection, TLS and SETTINGS together.
 */
export class TlsHold implements Hold {
	readonly maxWaitMs = passthroughWaitMs;
	readonly unasked: CloseReason = "noPreface";
	readonly isTransparent = true;
	readonly #wire: HeldWire;
	readonly #events: HoldEvents;
	#asked = false;

	constructor(wire: HeldWire, events: HoldEvents) {
		this.#wire = wire;
		this.#events = events;
	}

	read(bytes: Buffer): boolean {
		const takenWhole = this.#events.keep(bytes);
		if (!this.#asked) {
			this.#asked = true;
			this.#events.requested("build");
		}
		return takenWhole;
	}

	firstAnswer(): FirstAnswer {
		return { read: firstRecord };
	}

	release(): Uint8Array {
		return new Uint8Array(0);
	}

	fail(): void {
		this.#wire.write(fatalAlert);
		this.#wire.end();
	}

	goodbye(): void {
		this.#wire.end();
	}

	close(): void {}
}

/** A ServerHello, or an alert that is the daemon's answer to this client. */
function firstRecord(chunk: Uint8Array): FirstAnswerVerdict {
	if (chunk.length === 0) return { t: "more" };
	if (chunk[0] !== handshake && chunk[0] !== alert)
		return { t: "wrong", why: "answered with something else than TLS" };
	return { t: "answered", bytes: Buffer.from(chunk) };
}
