import { settingsAck } from "../../proxy/hold/http2.ts";
import type { Wire, WireEvents } from "../../proxy/wire/wire.ts";
import { clientOpening, firstRequest } from "./raw-client.ts";

/** A client's side without a socket: it says what a test wants, and reads everything. */
export class FakeWire implements Wire {
	bytesRead = 0;
	/** All that was written to it. */
	sent = Buffer.alloc(0);
	readonly pendingBytes = 0;
	#events: WireEvents | undefined;

	attach(events: WireEvents): void {
		this.#events = events;
	}

	/** Says all that a client sends until it is a build. */
	ask(): void {
		for (const bytes of [clientOpening, settingsAck, firstRequest]) {
			this.bytesRead += bytes.length;
			this.#events?.onBytes(bytes);
		}
	}

	/** Goes away in peace. */
	leave(): void {
		this.#events?.onClose(undefined);
	}

	write(bytes: Uint8Array): void {
		this.sent = Buffer.concat([this.sent, bytes]);
	}
	forward(bytes: Buffer): boolean {
		this.write(bytes);
		return true;
	}
	ownBuffer(): void {}
	join(): void {}
	resume(): void {}
	end(): void {}
	destroy(): void {}
}
