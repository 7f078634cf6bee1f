import net from "node:net";
import type { DaemonAddress } from "../daemon.ts";
import { type DeadHostLimits, endWhenHostDies } from "./dead-host.ts";
import { fileDescriptor } from "./file-descriptor.ts";
import { KernelPipe, kernelPipe } from "./kernel-pipe.ts";
import { bulkPauseMs, ReadPacing } from "./read-pacing.ts";
import type { Wire, WireEvents } from "./wire.ts";

/**
 * All wires read into this one at first. While a client is held every byte worth keeping is copied anyway, and thousands
 * of clients that are served at once need no buffers at once.
 */
const sharedBuffer = Buffer.allocUnsafeSlow(64 * 1024);
/** A live direction gets its own buffer with the n-th read: what it forwards from then on is not copied. */
const sharedReads = 8;
const smallBufferBytes = 4 * 1024;
/** Or at once, and a larger one, if it reads more than a small one would hold. */
const firstOwnBytes = 64 * 1024;
/** As far as it grows, whenever a read takes most of it. */
const bulkBufferBytes = 512 * 1024;
/**
 * One that takes most of even that has its bytes moved by the kernel from then on, all but the first of each arrival,
 * which Node reads. After so many arrivals in a row without any others it is an ordinary direction again.
 */
const bulkFirstBytes = 16 * 1024;
const maxSmallArrivals = 16;
/** So many at once are worth their wakeup: waiting for more would only keep the sender waiting. */
const manyBytes = 256 * 1024;
/** Moved at a time, before it is others' turn. */
const maxMoves = 8;

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

/** For both ends, once they are connected: small messages leave at once, and a peer whose host is dead is noticed. */
export function tuneSocket(socket: net.Socket, limits: DeadHostLimits): void {
	socket.setNoDelay(true);
	endWhenHostDies(socket, limits);
}

/** A plain socket, read into reused buffers (net's `onread` option) and never through a stream's queue: half the CPU of `pipe`. */
export class TcpWire implements Wire {
	readonly #socket: net.Socket;
	#events: WireEvents | undefined;
	#buffer: Buffer = sharedBuffer;
	#mayOwnBuffer = false;
	/** Live reads into the shared buffer. */
	#sharedReads = 0;
	/** Arrivals in a row that were no bulk; undefined while the kernel does not move what comes. */
	#smallArrivals: number | undefined;
	readonly #pacing = new ReadPacing();
	#resumeOnDrain: Wire | undefined;
	#error: Error | undefined;
	#closed = false;
	#alreadyRead: Buffer = nothing;
	bytesRead = 0;

	private constructor(makeSocket: (onread: net.OnReadOpts) => net.Socket) {
		this.#socket = makeSocket({
			// Node asks for the next buffer after each read, so a wire can move from the shared to its own buffer.
			buffer: () => this.#buffer,
			callback: (length, { buffer, byteOffset }) => this.#read(Buffer.from(buffer, byteOffset, length)),
		});
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

	/** Takes over a socket that a server accepted with `pauseOnConnect`, and what was read of it already. */
	static accepted(accepted: net.Socket, alreadyRead: Buffer = nothing): TcpWire {
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
		return wire;
	}

	/** Connects to a daemon. The wire is usable once `onConnect` was called; before, only `destroy` is. */
	static connect(address: DaemonAddress, limits: DeadHostLimits, onConnect: () => void): TcpWire {
		return new TcpWire((onread) => {
			const socket = newSocket({ onread });
			socket.once("connect", () => tuneSocket(socket, limits));
			return address.t === "tcp"
				? socket.connect(address.port, address.host, onConnect)
				: socket.connect(address.path, onConnect);
		});
	}

	get pendingBytes(): number {
		return this.#socket.writableLength;
	}

	attach(events: WireEvents): void {
		this.#events = events;
		if (this.#closed) events.onClose(this.#error);
		else if (this.#alreadyRead.length > 0) queueMicrotask(() => this.#readAgain());
		else this.resume();
	}

	/** Reads go into a buffer of the wire's own, which a pending write may keep. */
	ownBuffer(): void {
		this.#mayOwnBuffer = true;
	}

	write(bytes: Uint8Array): void {
		if (!this.#closed) this.#socket.write(bytes);
	}

	forward(bytes: Buffer, source: Wire): boolean {
		if (this.#closed) return true;
		// Others read into the shared buffer, so they must not stay there until the kernel takes them.
		const shared = bytes.buffer === sharedBuffer.buffer;
		this.#socket.write(shared ? Buffer.from(bytes) : bytes);
		if (this.#socket.writableLength === 0) {
			if (!(source instanceof TcpWire) || source.#smallArrivals === undefined) return true;
			source.#moveOn(this);
			if (this.#socket.writableLength === 0) return true;
		}
		this.#resumeOnDrain = source;
		return false;
	}

	resume(): void {
		this.#socket.resume();
	}

	end(): void {
		this.#socket.end();
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
		const filled = bytes.length === this.#buffer.length;
		if (this.#mayOwnBuffer) this.#grow(bytes.length);
		const readOn = this.#events?.onBytes(bytes) ?? true;
		if (!readOn || !this.#mayOwnBuffer) return readOn;
		const arrived = this.bytesRead - before;
		this.#countSmall(arrived);
		// What filled its buffer is read on at once, unless the kernel has moved all the rest.
		const more = filled && arrived === bytes.length;
		if (more || arrived >= manyBytes || !this.#pacing.pauses(arrived, performance.now())) return true;
		setTimeout(() => this.resume(), bulkPauseMs);
		return false;
	}

	/** The next read gets more room after one of so many bytes that it took most of what there was. */
	#grow(readBytes: number): void {
		const size = this.#buffer.length;
		if (this.#buffer === sharedBuffer) {
			if (readBytes > smallBufferBytes) this.#buffer = Buffer.allocUnsafeSlow(firstOwnBytes);
			else if (++this.#sharedReads >= sharedReads) this.#buffer = Buffer.allocUnsafeSlow(smallBufferBytes);
		} else if (this.#smallArrivals === undefined && readBytes > size / 2) {
			if (size < bulkBufferBytes) this.#buffer = Buffer.allocUnsafeSlow(Math.min(size * 4, bulkBufferBytes));
			else if (kernelPipe() instanceof KernelPipe) this.#leaveToKernel();
		}
	}

	#leaveToKernel(): void {
		this.#smallArrivals = 0;
		this.#buffer = Buffer.allocUnsafeSlow(bulkFirstBytes);
	}

	#countSmall(arrived: number): void {
		if (this.#smallArrivals === undefined) return;
		this.#smallArrivals = arrived > bulkFirstBytes ? 0 : this.#smallArrivals + 1;
		if (this.#smallArrivals < maxSmallArrivals) return;
		this.#smallArrivals = undefined;
		this.#buffer = Buffer.allocUnsafeSlow(firstOwnBytes);
	}

	/** Has the kernel move what has come since the last read. */
	#moveOn(to: TcpWire): void {
		const pipe = kernelPipe();
		if (!(pipe instanceof KernelPipe)) return;
		for (let moves = 0; moves < maxMoves; moves++) {
			const [from, into] = [fileDescriptor(this.#socket), fileDescriptor(to.#socket)];
			if (from === undefined || into === undefined) return;
			const { bytes, left } = pipe.move(from, into);
			if (bytes === 0) return;
			this.bytesRead += bytes;
			if (left === undefined) continue;
			to.#socket.write(left);
			return;
		}
	}
}
