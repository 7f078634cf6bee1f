import net from "node:net";
import type { DaemonAddress } from "../daemon.ts";
import { type DeadHostLimits, endWhenHostDies } from "./dead-host.ts";
import { KernelPipes, kernelPipes } from "./kernel-pipe.ts";
import { Outgoing } from "./outgoing.ts";
import { isShared, ReadBuffer } from "./read-buffer.ts";
import { bulkPauseMs, ReadPacing } from "./read-pacing.ts";
import type { Wire, WireEvents } from "./wire.ts";

/** So many at once are worth their wakeup: waiting for more would only keep the sender waiting. */
const manyBytes = 256 * 1024;
const nothing = Buffer.alloc(0);

/** The handle's own readStop: net.Socket stops its handle by itself only when its queue is full (lib/net.js). */
function stopReading(handle: object): void {
	const readStop: unknown = Reflect.get(handle, "readStop");
	if (typeof readStop === "function") Reflect.apply(readStop, handle, []);
	Reflect.set(handle, "reading", false);
}

/** What `new net.Socket` takes beyond its types: the Duplex's options, and Node's own handle (lib/net.js). */
function newSocket(options: { onread: net.OnReadOpts; handle?: object; manualStart?: boolean }): net.Socket {
	return Reflect.construct(net.Socket, [{ ...tuning, ...options }]);
}

/** A high-water mark of one byte, so that a write which the kernel did not take whole always ends in "drain". */
const tuning = { allowHalfOpen: true, writableHighWaterMark: 1 };

/** A host that dies sooner is noticed as well. */
const watchHostAfterMs = 1_000;

/** For both ends, once they are connected: small messages leave at once, and a peer whose host is dead is noticed. */
export function tuneSocket(socket: net.Socket, limits: DeadHostLimits): void {
	socket.setNoDelay(true);
	// Five system calls, which whoever connects would wait for, and what is over by then never needs.
	setTimeout(() => {
		if (!socket.destroyed) endWhenHostDies(socket, limits);
	}, watchHostAfterMs).unref();
}

/** A plain socket, read into reused buffers (net's `onread` option) and never through a stream's queue: half the CPU of `pipe`. */
export class TcpWire implements Wire {
	readonly #socket: net.Socket;
	readonly #outgoing: Outgoing;
	#events: WireEvents | undefined;
	readonly #reads = new ReadBuffer(() => kernelPipes() instanceof KernelPipes);
	readonly #pacing = new ReadPacing();
	#resumeOnDrain: Wire | undefined;
	#error: Error | undefined;
	#closed = false;
	#alreadyRead: Buffer = nothing;
	bytesRead = 0;

	private constructor(makeSocket: (onread: net.OnReadOpts) => net.Socket) {
		this.#socket = makeSocket({
			// Node asks for the next buffer after each read, so a wire can move from the shared to its own buffer.
			buffer: () => this.#reads.buffer,
			callback: (length, { buffer, byteOffset }) => this.#read(Buffer.from(buffer, byteOffset, length)),
		});
		this.#outgoing = new Outgoing(this.#socket);
		this.#socket.on("error", (error) => {
			this.#error = error;
		});
		this.#socket.on("end", () => this.#events?.onEnd());
		this.#socket.on("drain", () => {
			if (!this.#outgoing.giveOn()) return;
			const source = this.#resumeOnDrain;
			this.#resumeOnDrain = undefined;
			source?.resume();
		});
		this.#socket.on("close", () => {
			this.#closed = true;
			this.#outgoing.closed();
			this.#events?.onClose(this.#error);
		});
	}

	/** Takes over a socket that a server accepted with `pauseOnConnect`, and what was read of it already. */
	static accepted(accepted: net.Socket, limits: DeadHostLimits, alreadyRead: Buffer = nothing): TcpWire {
		const wire = new TcpWire((onread) => {
			// A server offers no `onread` (Node 26), so the accepted socket's handle moves into a socket that has it.
			const handle: unknown = Reflect.get(accepted, "_handle");
			if (typeof handle !== "object" || handle === null) {
				accepted.destroy();
				return accepted;
			}
			if (alreadyRead.length > 0) stopReading(handle);
			Reflect.set(accepted, "_handle", null);
			accepted.destroy();
			return newSocket({ onread, handle, manualStart: true });
		});
		wire.#alreadyRead = alreadyRead;
		tuneSocket(wire.#socket, limits);
		return wire;
	}

	/** Connects to a daemon. The wire is usable once `onConnect` was called; before, only `destroy` is. */
	static connect(address: DaemonAddress, limits: DeadHostLimits, onConnect: () => void): TcpWire {
		return new TcpWire((onread) => {
			const socket = newSocket({ onread });
			const connected = () => {
				// First what there is to send: one packet, which Nagle's algorithm lets go at once (RFC 9293, 3.7.4).
				onConnect();
				tuneSocket(socket, limits);
			};
			return address.t === "tcp"
				? socket.connect(address.port, address.host, connected)
				: socket.connect(address.path, connected);
		});
	}

	get pendingBytes(): number {
		return this.#outgoing.pendingBytes;
	}

	attach(events: WireEvents): void {
		this.#events = events;
		if (this.#closed) events.onClose(this.#error);
		else if (this.#alreadyRead.length > 0) queueMicrotask(() => this.#readAgain());
		else this.resume();
	}

	/** Reads go into a buffer of the wire's own, which a pending write may keep. */
	ownBuffer(): void {
		this.#reads.own();
	}

	write(bytes: Uint8Array): void {
		if (!this.#closed && bytes.length > 0) this.#outgoing.write(bytes);
	}

	forward(bytes: Buffer, source: Wire): boolean {
		if (this.#closed) return true;
		// Others read into the shared buffer, so they must not stay there until the kernel takes them.
		this.#outgoing.write(isShared(bytes) ? Buffer.from(bytes) : bytes);
		if (source instanceof TcpWire && source.#reads.isLeftToKernel)
			source.bytesRead += this.#outgoing.moveFrom(source.#socket);
		if (this.pendingBytes === 0) return true;
		this.#resumeOnDrain = source;
		return false;
	}

	resume(): void {
		this.#socket.resume();
	}

	end(): void {
		this.#outgoing.end();
	}

	destroy(): void {
		this.#socket.destroy();
	}

	/** Gives what was read before this wire was made, once whoever attached is done with that. */
	#readAgain(): void {
		const bytes = this.#alreadyRead;
		this.#alreadyRead = nothing;
		if (this.#closed) return;
		this.bytesRead += bytes.length;
		if (this.#events?.onBytes(bytes) ?? true) this.resume();
	}

	#read(bytes: Buffer): boolean {
		const before = this.bytesRead;
		this.bytesRead += bytes.length;
		const filled = bytes.length === this.#reads.buffer.length;
		this.#reads.afterRead(bytes.length);
		const readOn = this.#events?.onBytes(bytes) ?? true;
		if (!readOn || !this.#reads.isOwned) return readOn;
		const arrived = this.bytesRead - before;
		this.#reads.afterArrival(arrived);
		// What filled its buffer is read on at once, unless the kernel has moved all the rest.
		const more = filled && arrived === bytes.length;
		if (more || arrived >= manyBytes || this.#pacing.ignores(arrived)) return true;
		if (!this.#pacing.pauses(arrived, performance.now())) return true;
		setTimeout(() => this.resume(), bulkPauseMs);
		return false;
	}
}
