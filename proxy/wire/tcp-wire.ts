import net from "node:net";
import type { DaemonAddress } from "../daemon.ts";
import { processRelay, type Relayed, type RelayedEvents } from "../relay/relay.ts";
import { type DeadHostLimits, endWhenHostDies } from "./dead-host.ts";
import { fileDescriptor } from "./file-descriptor.ts";
import { isShared, ReadBuffer } from "./read-buffer.ts";
import type { Wire, WireEvents } from "./wire.ts";

const nothing = Buffer.alloc(0);

/**
 * A direction that was read so often, or so much, is worth a place in the relay: a build, after a moment. What only asks
 * something is over before.
 */
const busyReads = 16;
const busyBytes = 256 * 1024;

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

/**
 * A plain socket, read into reused buffers (net's `onread` option) and never through a stream's queue: half the CPU of
 * `pipe`. Two that are joined move to the relay when they are busy, and leave Node's streams to those who wait.
 */
export class TcpWire implements Wire {
	readonly #socket: net.Socket;
	readonly #limits: DeadHostLimits;
	#events: WireEvents | undefined;
	readonly #reads = new ReadBuffer();
	#resumeOnDrain: Wire | undefined;
	#error: Error | undefined;
	#closed = false;
	#alreadyRead: Buffer = nothing;
	#bytesRead = 0;
	#readCount = 0;
	#peer: TcpWire | undefined;
	#relayed: Relayed | undefined;

	private constructor(limits: DeadHostLimits, makeSocket: (onread: net.OnReadOpts) => net.Socket) {
		this.#limits = limits;
		this.#socket = makeSocket({
			// Node asks for the next buffer after each read, so a wire can move from the shared to its own buffer.
			buffer: () => this.#reads.buffer,
			callback: (length, { buffer, byteOffset }) => this.#read(Buffer.from(buffer, byteOffset, length)),
		});
		this.#socket.on("error", (error) => {
			this.#error = error;
		});
		this.#socket.on("end", () => {
			if (this.#relayed === undefined) this.#events?.onEnd();
		});
		this.#socket.on("drain", () => {
			const source = this.#resumeOnDrain;
			this.#resumeOnDrain = undefined;
			const peer = this.#peer;
			if (peer !== undefined) peer.#moveIfBusy();
			source?.resume();
		});
		this.#socket.on("close", () => {
			if (this.#relayed === undefined) this.#gone(this.#error);
		});
	}

	/** Takes over a socket that a server accepted with `pauseOnConnect`, and what was read of it already. */
	static accepted(accepted: net.Socket, limits: DeadHostLimits, alreadyRead: Buffer = nothing): TcpWire {
		const wire = new TcpWire(limits, (onread) => {
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
		return new TcpWire(limits, (onread) => {
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

	get bytesRead(): number {
		return this.#bytesRead + (this.#relayed?.bytesRead ?? 0);
	}

	get pendingBytes(): number {
		return this.#relayed?.pendingBytes ?? this.#socket.writableLength;
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
		if (!this.#closed && bytes.length > 0) this.#socket.write(bytes);
	}

	forward(bytes: Buffer, source: Wire): boolean {
		if (this.#closed) return true;
		// Others read into the shared buffer, so they must not stay there until the kernel takes them.
		this.#socket.write(isShared(bytes) ? Buffer.from(bytes) : bytes);
		if (this.#socket.writableLength === 0) return true;
		this.#resumeOnDrain = source;
		return false;
	}

	join(peer: Wire): void {
		if (!(peer instanceof TcpWire)) return;
		this.#peer = peer;
		peer.#peer = this;
	}

	resume(): void {
		if (this.#relayed === undefined) this.#socket.resume();
	}

	end(): void {
		if (this.#relayed === undefined) this.#socket.end();
		else this.#relayed.end();
	}

	destroy(): void {
		if (this.#relayed === undefined) this.#socket.destroy();
		else this.#relayed.destroy();
	}

	/** Gives what was read before this wire was made, once whoever attached is done with that. */
	#readAgain(): void {
		const bytes = this.#alreadyRead;
		this.#alreadyRead = nothing;
		if (this.#closed) return;
		this.#bytesRead += bytes.length;
		if (this.#events?.onBytes(bytes) ?? true) this.resume();
	}

	#read(bytes: Buffer): boolean {
		this.#bytesRead += bytes.length;
		this.#readCount++;
		this.#reads.afterRead(bytes.length);
		const readOn = this.#events?.onBytes(bytes) ?? true;
		this.#moveIfBusy();
		return readOn;
	}

	#moveIfBusy(): void {
		if (this.#peer === undefined || this.#relayed !== undefined) return;
		if (this.#readCount >= busyReads || this.#bytesRead >= busyBytes) this.#moveToRelay(this.#peer);
	}

	/** Moves both, if neither has anything pending or has ended; else after another read. */
	#moveToRelay(peer: TcpWire): void {
		const relay = processRelay();
		if (relay === undefined) return;
		const [ours, theirs] = [this.#movable(), peer.#movable()];
		if (ours === undefined || theirs === undefined) return;
		const relayed = relay.take([ours, theirs], [this.#relayedEvents(), peer.#relayedEvents()]);
		if (relayed === undefined) return;
		this.#leaveTo(relayed[0]);
		peer.#leaveTo(relayed[1]);
	}

	/** Its descriptor, if nothing of it is Node's business. */
	#movable(): number | undefined {
		const { readable, writable, writableLength } = this.#socket;
		return readable && writable && writableLength === 0 ? fileDescriptor(this.#socket) : undefined;
	}

	#relayedEvents(): RelayedEvents {
		return { onEnd: () => this.#events?.onEnd(), onClose: (error) => this.#gone(error) };
	}

	#leaveTo(relayed: Relayed): void {
		this.#relayed = relayed;
		// The relay's descriptor is of the same socket, which keeps what it is told.
		endWhenHostDies(this.#socket, this.#limits);
		this.#socket.destroy();
	}

	#gone(error: Error | undefined): void {
		this.#closed = true;
		this.#events?.onClose(error);
	}
}
