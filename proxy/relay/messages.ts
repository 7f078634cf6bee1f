/** One of the two sockets of a connection. Its number is its own: a closed socket's descriptor is given again. */
export interface End {
	readonly id: number;
	readonly fd: number;
}

/** What the thread is told. */
export type Command =
	/** Passes on between these two from now on; the descriptors are the thread's, which closes them. */
	| { readonly t: "take"; readonly ends: readonly [End, End]; readonly counts: SharedArrayBuffer }
	/** Ends the sending direction of a socket after all that is on its way there. */
	| { readonly t: "end"; readonly id: number }
	/** Ends both directions at once. */
	| { readonly t: "destroy"; readonly id: number }
	| { readonly t: "stop" };

/** What the thread tells. */
export type Report =
	| { readonly t: "ready" }
	/** The peer has ended its direction, and all that it said was read. */
	| { readonly t: "ended"; readonly id: number }
	/** It is gone: both directions ended, it was destroyed, or it failed with this error's number. Its last. */
	| { readonly t: "closed"; readonly id: number; readonly errno: number }
	/** A fault of ours, which has ended a connection. */
	| { readonly t: "fault"; readonly stack: string };

/**
 * What the thread counts of one socket, for others to look at any time: an aligned 64-bit store is one instruction wherever
 * Node runs, so nobody sees half of one.
 */
export class Counts {
	readonly #values: Float64Array;

	/** `index` 0 or 1: which of the two ends. */
	constructor(shared: SharedArrayBuffer, index: number) {
		this.#values = new Float64Array(shared, index * 16, 2);
	}

	/** For both ends of a connection. */
	static share(): SharedArrayBuffer {
		return new SharedArrayBuffer(2 * 16);
	}

	get bytesRead(): number {
		return this.#values[0] ?? 0;
	}

	addRead(bytes: number): void {
		this.#values[0] = this.bytesRead + bytes;
	}

	/** Read for this socket, and not taken by the kernel yet. */
	get pendingBytes(): number {
		return this.#values[1] ?? 0;
	}

	set pendingBytes(bytes: number) {
		this.#values[1] = bytes;
	}
}
