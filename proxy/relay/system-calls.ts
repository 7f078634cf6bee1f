import { fromCLibrary } from "../../common/c-library.ts";

/** From the kernel's headers (asm-generic), the same on every architecture that Node runs on. */
export const errno = { interrupted: 4, io: 5, again: 11 } as const;
const shutWr = 1;
const solSocket = 1;
const soRcvlowat = 18;
const oNonblock = 0o4000;
const oCloexec = 0o2000000;
const dupCloexec = 1030;
const setPipeSize = 1031;
const spliceMove = 1;
const spliceNonblock = 2;

/** Room for one read. */
export const readBytes = 64 * 1024;

/**
 * Sizes of what is read and written are small, and a u32 costs less than a BigInt. Sockets are read and written as files
 * are, for calls with up to three arguments take half the time of others (lib/internal/ffi/fast-api.js): Node's sockets do
 * not block, and Node ignores SIGPIPE.
 */
const definitions = {
	__errno_location: { arguments: [], return: "pointer" },
	setsockopt: { arguments: ["i32", "i32", "i32", "pointer", "u32"], return: "i32" },
	shutdown: { arguments: ["i32", "i32"], return: "i32" },
	fcntl: { arguments: ["i32", "i32", "i32"], return: "i32" },
	close: { arguments: ["i32"], return: "i32" },
	pipe2: { arguments: ["pointer", "i32"], return: "i32" },
	splice: { arguments: ["i32", "u64", "i32", "u64", "u64", "u32"], return: "i32" },
	eventfd: { arguments: ["u32", "i32"], return: "i32" },
	read: { arguments: ["i32", "pointer", "u32"], return: "i32" },
	write: { arguments: ["i32", "pointer", "u32"], return: "i32" },
	epoll_create1: { arguments: ["i32"], return: "i32" },
	epoll_ctl: { arguments: ["i32", "i32", "i32", "pointer"], return: "i32" },
	epoll_wait: { arguments: ["i32", "pointer", "i32", "i32"], return: "i32" },
} as const;

type C = Extract<ReturnType<typeof fromCLibrary<typeof definitions>>, { ok: true }>;

/**
 * The system calls of the relay. Each returns what its manual page (2) says, but a failure as the negative number of its
 * error. None waits, but `epollWait`.
 */
export class SystemCalls {
	/** What `receive` reads into, and `sendRead` sends from. */
	readonly buffer = Buffer.allocUnsafeSlow(readBytes);
	readonly #c: C["functions"];
	readonly #addressOf: C["addressOf"];
	readonly #errno: () => number;
	readonly #buffer: bigint;
	readonly #option = new Int32Array(1);

	private constructor({ functions, addressOf, intAt }: C) {
		this.#c = functions;
		this.#addressOf = addressOf;
		// A thread's own, for as long as it runs.
		const location = functions.__errno_location();
		this.#errno = () => intAt(location);
		this.#buffer = addressOf(this.buffer);
	}

	/** This thread's; or why there are none. */
	static load(): SystemCalls | { readonly reason: string } {
		const c = fromCLibrary(definitions);
		return c.ok ? new SystemCalls(c) : { reason: c.reason };
	}

	/** Another descriptor for the same file, which no child inherits. */
	duplicate(fd: number): number {
		return this.#result(this.#c.fcntl(fd, dupCloexec, 0));
	}

	close(fd: number): void {
		this.#c.close(fd);
	}

	receive(fd: number): number {
		return this.#result(this.#c.read(fd, this.#buffer, readBytes));
	}

	/** Sends the first `length` bytes of the buffer. */
	sendRead(fd: number, length: number): number {
		return this.#result(this.#c.write(fd, this.#buffer, length));
	}

	send(fd: number, bytes: Uint8Array): number {
		return this.#result(this.#c.write(fd, bytes, bytes.length));
	}

	/** A wait for what comes ends only when so much is there; see SO_RCVLOWAT, socket(7). */
	setLowWater(fd: number, bytes: number): void {
		this.#option[0] = bytes;
		this.#c.setsockopt(fd, solSocket, soRcvlowat, this.#option, this.#option.byteLength);
	}

	/** Ends the sending direction. */
	endSending(fd: number): void {
		this.#c.shutdown(fd, shutWr);
	}

	/** The reading and the writing end of a pipe that holds so much, if the system lets it. */
	pipe(bytes: number): readonly [number, number] | undefined {
		const ends = new Int32Array(2);
		if (this.#c.pipe2(ends, oCloexec | oNonblock) !== 0) return;
		const [out = -1, into = -1] = ends;
		this.#c.fcntl(into, setPipeSize, bytes);
		return [out, into];
	}

	splice(from: number, to: number, bytes: number): number {
		return this.#result(this.#c.splice(from, 0n, to, 0n, BigInt(bytes), spliceMove | spliceNonblock));
	}

	/** A descriptor that can be read after `signal`, until `hush`. */
	eventDescriptor(): number {
		return this.#result(this.#c.eventfd(0, oCloexec | oNonblock));
	}

	signal(fd: number): void {
		this.#c.write(fd, one, 8);
	}

	hush(fd: number): void {
		this.#c.read(fd, new BigUint64Array(1), 8);
	}

	epollCreate(): number {
		return this.#result(this.#c.epoll_create1(oCloexec));
	}

	epollControl(epoll: number, operation: number, fd: number, event: bigint): number {
		return this.#result(this.#c.epoll_ctl(epoll, operation, fd, event));
	}

	epollWait(epoll: number, events: bigint, most: number, timeoutMs: number): number {
		return this.#result(this.#c.epoll_wait(epoll, events, most, timeoutMs));
	}

	addressOf(bytes: NodeJS.ArrayBufferView): bigint {
		return this.#addressOf(bytes);
	}

	#result(returned: number): number {
		return returned < 0 ? -this.#errno() : returned;
	}
}

const one = new BigUint64Array([1n]);
