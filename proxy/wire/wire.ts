/**
 * Takes bytes that were read. They may be a view into a buffer that is read into again after the call: copy what must
 * stay. Return false to stop reading until `resume`.
 */
type OnBytes = (bytes: Buffer) => boolean;

export interface WireEvents {
	readonly onBytes: OnBytes;
	/** The peer has ended its direction: no more bytes will come; writing is still possible. */
	readonly onEnd: () => void;
	/** The socket is gone. `error` is set when it did not end in peace. Called once, last. */
	readonly onClose: (error: Error | undefined) => void;
}

/** One side of a connection, a client's or a daemon's. Half-open by design: each direction ends by itself. */
export interface Wire {
	/** Counted where the bytes pass; sampled by whoever wants to know whether the wire is alive. */
	readonly bytesRead: number;
	/** Bytes written that the kernel has not taken yet. */
	readonly pendingBytes: number;
	/** Starts (or hands over) the reading side: events go to `events` from now on. */
	attach(events: WireEvents): void;
	/** The hold is over: what is read from now on may stay in its buffer while it is being written. */
	ownBuffer(): void;
	/** Writes bytes that nobody will change. */
	write(bytes: Uint8Array): void;
	/**
	 * Passes on bytes that `source` has just read, without a copy. Returns what `source`'s OnBytes must return: false
	 * when they were not taken whole, for they then stay in its read buffer until they are.
	 */
	forward(bytes: Buffer, source: Wire): boolean;
	/** From now on all that either of the two reads is for the other as it is: `onBytes` may not see it any more. */
	join(peer: Wire): void;
	resume(): void;
	/** Ends the writing direction after everything written. */
	end(): void;
	/** Ends both directions at once. */
	destroy(): void;
}
