import type { TLSSocket } from "node:tls";
import type { Wire, WireEvents } from "./wire.ts";

/** A socket whose TLS ends here, after its handshake. Encryption costs more than the copies that TcpWire saves. */
export class TlsWire implements Wire {
	readonly #socket: TLSSocket;
	#events: WireEvents | undefined;
	#error: Error | undefined;
	#closed = false;
	#writing = false;
	bytesRead = 0;

	constructor(socket: TLSSocket) {
		this.#socket = socket;
		// Paused by word, it stays so until `attach`, whoever listens.
		socket.pause();
		socket.on("data", (bytes: Buffer) => {
			if (this.#writing) return this.#putBack(bytes);
			this.bytesRead += bytes.length;
			if (this.#events?.onBytes(bytes) === false) socket.pause();
		});
		socket.on("error", (error) => {
			this.#error = error;
			// A forbidden renegotiation is an error that leaves the socket open.
			socket.destroy();
		});
		socket.on("end", () => this.#events?.onEnd());
		socket.on("close", () => {
			this.#closed = true;
			this.#events?.onClose(this.#error);
		});
	}

	get pendingBytes(): number {
		return this.#socket.writableLength;
	}

	attach(events: WireEvents): void {
		this.#events = events;
		if (this.#closed) events.onClose(this.#error);
		else this.resume();
	}

	/** Every read has a buffer of its own already. */
	ownBuffer(): void {}

	write(bytes: Uint8Array): void {
		if (!this.#closed && bytes.length > 0) this.#write(bytes, () => {});
	}

	/** Copies: what `source` read may lie in a buffer that all held wires share. */
	forward(bytes: Buffer, source: Wire): boolean {
		if (this.#closed) return true;
		let takenWhole = false;
		this.#write(Buffer.from(bytes), () => {
			if (!takenWhole) source.resume();
		});
		takenWhole = this.#socket.writableLength === 0;
		return takenWhole;
	}

	/** What it reads is encrypted: there is no passing on past it. */
	join(): void {}

	resume(): void {
		if (!this.#closed) this.#socket.resume();
	}

	end(): void {
		this.#socket.end();
	}

	destroy(): void {
		this.#socket.destroy();
	}

	#write(bytes: Uint8Array, done: () => void): void {
		this.#writing = true;
		this.#socket.write(bytes, done);
		this.#writing = false;
	}

	/**
	 * Node's TLS gives out what it has decrypted also in the middle of a write. Whoever writes is not ready for that: what
	 * it wrote and what it is told would change places. So it is told a moment later.
	 */
	#putBack(bytes: Buffer): void {
		this.#socket.pause();
		this.#socket.unshift(bytes);
		process.nextTick(() => this.resume());
	}
}
