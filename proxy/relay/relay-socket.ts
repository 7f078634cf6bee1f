import { unreachable } from "../../common/error.ts";
import type { Direction } from "./direction.ts";
import { epollIn, epollOut } from "./epoll.ts";
import type { Counts, End } from "./messages.ts";
import { muchBytes } from "./read-pacing.ts";
import type { SystemCalls } from "./system-calls.ts";

/** What a socket needs of the thread that it is in. */
export interface RelaySocketOwner {
	readonly calls: SystemCalls;
	/** `before` is waited for no longer, `wanted` is from now on. */
	readonly await: (socket: RelaySocket, before: number, wanted: number) => void;
	/** It is to be read in a moment, even if little has come. */
	readonly rests: (socket: RelaySocket) => void;
	readonly ended: (socket: RelaySocket) => void;
	readonly closed: (socket: RelaySocket, errno: number) => void;
}

type Reading =
	/** Waits for bytes. */
	| "open"
	/** Its peer has no room for what was read. */
	| "blocked"
	/** Waits until much has come, but no longer than a moment. */
	| "resting"
	| "ended";

type Sending =
	| "open"
	/** Ends after what is pending. */
	| "ending"
	| "ended";

/** One of the two sockets of a connection. What it reads goes to the other; who ends what when is the proxy's to say. */
export class RelaySocket {
	readonly end: End;
	readonly #owner: RelaySocketOwner;
	readonly #counts: Counts;
	/** From it to its peer. */
	readonly #out: Direction;
	/** From its peer to it. */
	readonly #in: Direction;
	/** Itself until it is joined. */
	#peer: RelaySocket = this;
	#reading: Reading = "open";
	#sending: Sending = "open";
	#closed = false;
	#awaited = 0;
	#lowWater = 1;

	constructor(
		end: End,
		counts: Counts,
		directions: { out: Direction; in: Direction },
		owner: RelaySocketOwner,
	) {
		this.end = end;
		this.#counts = counts;
		this.#out = directions.out;
		this.#in = directions.in;
		this.#owner = owner;
	}

	/** Begins to read both. */
	static join(one: RelaySocket, other: RelaySocket): void {
		one.#peer = other;
		other.#peer = one;
		one.#update();
		other.#update();
	}

	/** Something has come of what it waits for (epoll_ctl(2)); errors and hangups are found by trying. */
	ready(events: number): void {
		if (events & ~epollIn) this.#giveOn();
		if (events & ~epollOut && this.#reads) this.#read();
	}

	/** The moment is over. */
	rested(): void {
		if (this.#reading === "resting") this.#read();
	}

	/** Ends the sending direction after all that is pending. */
	endSending(): void {
		if (this.#closed || this.#sending !== "open") return;
		this.#sending = "ending";
		this.#finish();
	}

	/** Ends both directions at once; because of this error, unless it is 0. */
	close(errno = 0): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#in.drop();
		this.#counts.pendingBytes = 0;
		if (this.#peer.#closed) this.#out.drop();
		this.#update();
		// First: whoever finds this socket not closed when the thread is gone closes it.
		this.#owner.closed(this, errno);
		this.#owner.calls.close(this.end.fd);
		this.#peer.#update();
	}

	#read(): void {
		const peer = this.#peer;
		if (this.#closed || peer.#closed) return;
		const arrival = this.#out.move(this.end.fd, peer.end.fd);
		this.#counts.addRead(arrival.bytes);
		peer.#counts.pendingBytes = this.#out.pendingBytes;
		switch (arrival.t) {
			case "bytes":
				this.#reading = this.#afterBytes(arrival.bytes);
				break;
			case "end":
				this.#reading = "ended";
				this.#owner.ended(this);
				if (this.#sending === "ended") this.close();
				break;
			case "readFailed":
				return this.close(arrival.errno);
			case "sendFailed":
				return peer.close(arrival.errno);
			default:
				return unreachable(arrival);
		}
		this.#update();
		peer.#update();
	}

	#afterBytes(bytes: number): Reading {
		if (this.#out.pendingBytes > 0) return "blocked";
		return this.#out.rests(bytes) ? this.#rest() : this.#stayAwake();
	}

	#rest(): Reading {
		this.#setLowWater(muchBytes);
		this.#owner.rests(this);
		return "resting";
	}

	/** Waits for any byte, as long as it takes. */
	#stayAwake(): Reading {
		this.#setLowWater(1);
		return "open";
	}

	#setLowWater(bytes: number): void {
		if (bytes === this.#lowWater) return;
		this.#lowWater = bytes;
		this.#owner.calls.setLowWater(this.end.fd, bytes);
	}

	/** Its peer has room again. */
	#unblock(): void {
		if (this.#reading === "blocked") this.#reading = this.#lowWater > 1 ? this.#rest() : "open";
	}

	get #reads(): boolean {
		return this.#reading === "open" || this.#reading === "resting";
	}

	/** It may have room again for what is pending. */
	#giveOn(): void {
		if (this.#closed || this.#in.pendingBytes === 0) return;
		const failed = this.#in.giveOn(this.end.fd);
		this.#counts.pendingBytes = this.#in.pendingBytes;
		if (failed !== 0) return this.close(failed);
		if (this.#in.pendingBytes > 0) return;
		this.#peer.#unblock();
		this.#finish();
		this.#update();
		this.#peer.#update();
	}

	#finish(): void {
		if (this.#sending !== "ending" || this.#in.pendingBytes > 0) return;
		this.#sending = "ended";
		this.#owner.calls.endSending(this.end.fd);
		if (this.#reading === "ended") this.close();
	}

	/** Waits for what it needs now. A socket that needs nothing is not waited for, or its errors would come again and again. */
	#update(): void {
		const reads = this.#reads && !this.#peer.#closed;
		const wanted = this.#closed ? 0 : (reads ? epollIn : 0) | (this.#in.pendingBytes > 0 ? epollOut : 0);
		if (wanted === this.#awaited) return;
		this.#owner.await(this, this.#awaited, wanted);
		this.#awaited = wanted;
	}
}
