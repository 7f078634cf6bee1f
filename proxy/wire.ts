import net from "node:net";
import type { DaemonAddress } from "./daemon.ts";
import { bulkPauseMs, ReadPacing } from "./read-pacing.ts";

/** A direction owns this much at first: most builds talk in small messages. It grows when a read takes most of it. */
const smallBufferBytes = 4 * 1024;
/** As far as it grows. */
const bulkBufferBytes = 512 * 1024;

/**
 * While a wire is held, every byte worth keeping is copied anyway, so all held wires read into this one buffer:
 * ten thousand waiting clients cost no read buffers.
 */
const heldBuffer = Buffer.allocUnsafeSlow(64 * 1024);

/** What `new net.Socket` takes beyond its types: the Duplex's options, and Node's own handle (lib/net.js). */
function newSocket(options: { onread: net.OnReadOpts; handle?: object; manualStart?: boolean }): net.Socket {
	return Reflect.construct(net.Socket, [{ ...tuning, ...options }]);
}

/** A high-water mark of one byte, so that a write which the kernel did not take whole always ends in "drain". */
const tuning = { allowHalfOpen: true, writableHighWaterMark: 1 };

/** TCP probes a silent peer after this; a client behind a dead network is noticed and its daemon is free again. */
const keepAliveMs = 15_000;

/**
 * Takes bytes that were read. They are a view into a buffer that is read into again after the call: copy what must
 * stay. Return false to stop reading until `resume`.
 */
type OnBytes = (bytes: Buffer) => boolean;

export interface WireEvents {
	readonly onBytes: OnBytes;
	/** The peer has sent its FIN: no more bytes will come; writing is still possible. */
	readonly onEnd: () => void;
	/** The socket is gone. `error` is set when it did not end in peace. Called once, last. */
	readonly onClose: (error: Error | undefined) => void;
}

/**
 * One socket, read into reused buffers (net's `onread` option) and never through a stream's queue: half the CPU of
 * `pipe`. Half-open by design: each direction ends by itself.
 */
export class Wire {
	readonly #socket: net.Socket;
	#events: WireEvents | undefined;
	#buffer: Buffer = heldBuffer;
	#ownsBuffer = false;
	readonly #pacing = new ReadPacing();
	#resumeOnDrain: Wire | undefined;
	#error: Error | undefined;
	#closed = false;
	/** Counted where the bytes pass; sampled by whoever wants to know whether the wire is alive. */
	bytesRead = 0;

	private constructor(makeSocket: (onread: net.OnReadOpts) => net.Socket) {
		this.#socket = makeSocket({
			// Node asks for the next buffer after each read, so a wire can move from the shared to its own buffer.
			buffer: () => this.#buffer,
			callback: (length, { buffer, byteOffset }) => this.#read(Buffer.from(buffer, byteOffset, length)),
		});
		this.#socket.setNoDelay(true);
		this.#socket.setKeepAlive(true, keepAliveMs);
		this.#socket.on("error", (error) => {
			this.#error = error;
		});
		this.#socket.on("end", () => this.#events?.onEnd());
		this.#socket.on("drain", () => {
			const source = this.#resumeOnDrain;
			this.#resumeOnDrain = undefined;
			source?.resume();
		});
		this.#socket.on("close", () => {
			this.#closed = true;
			this.#events?.onClose(this.#error);
		});
	}

	/** Takes over a socket that a server accepted with `pauseOnConnect`, so that no byte was read yet. */
	static accepted(accepted: net.Socket): Wire {
		return new Wire((onread) => {
			// A server offers no `onread` (Node 26), so the accepted socket's handle moves into a socket that has it.
			const handle: unknown = Reflect.get(accepted, "_handle");
			if (typeof handle !== "object" || handle === null) {
				accepted.destroy();
				return accepted;
			}
			Reflect.set(accepted, "_handle", null);
			accepted.destroy();
			return newSocket({ onread, handle, manualStart: true });
		});
	}

	/** Connects to a daemon. The wire is usable once `onConnect` was called; before, only `destroy` is. */
	static connect(address: DaemonAddress, onConnect: () => void): Wire {
		return new Wire((onread) => {
			const socket = newSocket({ onread });
			return address.t === "tcp"
				? socket.connect(address.port, address.host, onConnect)
				: socket.connect(address.path, onConnect);
		});
	}

	get remoteAddress(): string | undefined {
		return this.#socket.remoteAddress;
	}

	get remotePort(): number | undefined {
		return this.#socket.remotePort;
	}

	/** Bytes written that the kernel has not taken yet. */
	get pendingBytes(): number {
		return this.#socket.writableLength;
	}

	/** Starts (or hands over) the reading side: events go to `events` from now on. */
	attach(events: WireEvents): void {
		this.#events = events;
		if (this.#closed) events.onClose(this.#error);
		else this.resume();
	}

	/** The hold is over: reads go into a buffer of the wire's own, which a pending write may keep. */
	ownBuffer(): void {
		if (this.#ownsBuffer) return;
		this.#ownsBuffer = true;
		this.#buffer = Buffer.allocUnsafeSlow(smallBufferBytes);
	}

	/** Writes bytes that nobody will change. */
	write(bytes: Uint8Array): void {
		if (!this.#closed) this.#socket.write(bytes);
	}

	/**
	 * Passes on bytes that `source` has just read, without a copy. Returns what `source`'s OnBytes must return: false
	 * when the kernel did not take them whole, for they then stay in the read buffer until it does.
	 */
	forward(bytes: Buffer, source: Wire): boolean {
		if (this.#closed) return true;
		// The first read after a hold still lands in the shared buffer, where they must not stay.
		const shared = bytes.buffer === heldBuffer.buffer;
		this.#socket.write(shared ? Buffer.from(bytes) : bytes);
		if (this.#socket.writableLength === 0) return true;
		this.#resumeOnDrain = source;
		return false;
	}

	resume(): void {
		this.#socket.resume();
	}

	/** Sends FIN after everything written. */
	end(): void {
		this.#socket.end();
	}

	/** Ends both directions at once. */
	destroy(): void {
		this.#socket.destroy();
	}

	/** Ends both directions with RST, as the peer's peer did: a crash is passed on as a crash. */
	reset(): void {
		this.#socket.resetAndDestroy();
	}

	#read(bytes: Buffer): boolean {
		this.bytesRead += bytes.length;
		const size = this.#buffer.length;
		if (this.#ownsBuffer && size < bulkBufferBytes && bytes.length > size / 2) {
			this.#buffer = Buffer.allocUnsafeSlow(Math.min(size * 4, bulkBufferBytes));
		}
		const readOn = this.#events?.onBytes(bytes) ?? true;
		const more = bytes.length === size;
		if (!readOn || more || !this.#ownsBuffer || !this.#pacing.pauses(bytes.length, performance.now()))
			return readOn;
		setTimeout(() => this.resume(), bulkPauseMs);
		return false;
	}
}
