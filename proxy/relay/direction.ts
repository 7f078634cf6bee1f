import type { KernelPipe, KernelPipes } from "./kernel-pipe.ts";
import { ReadPacing } from "./read-pacing.ts";
import { errno, readBytes, type SystemCalls } from "./system-calls.ts";

/** Read at a time, before it is others' turn. */
const maxReads = 8;
/** So many reads in a row that filled the buffer make it bulk: from then on the kernel moves the bytes. */
const bulkReads = 4;
/** So many arrivals in a row that would have been one read, and it is bulk no more. */
const maxSmallArrivals = 16;
/** After a move of so many, more may have come meanwhile. */
const manyBytes = 256 * 1024;

/** What there was: nothing now, so many bytes, the end of them, or an error's number. */
type Arrival =
	| { readonly t: "bytes"; readonly bytes: number }
	| { readonly t: "end"; readonly bytes: number }
	| { readonly t: "readFailed"; readonly bytes: number; readonly errno: number }
	| { readonly t: "sendFailed"; readonly bytes: number; readonly errno: number };

/** Moves the bytes of one socket to another, as many as that has room for. */
export class Direction {
	readonly #calls: SystemCalls;
	readonly #pipes: KernelPipes;
	readonly #pacing = new ReadPacing();
	/** Copied, as the kernel had no room for them. */
	#unsent: Buffer | undefined;
	/** Lent while it holds something. */
	#pipe: KernelPipe | undefined;
	#fullReads = 0;
	#smallArrivals = 0;

	constructor(calls: SystemCalls, pipes: KernelPipes) {
		this.#calls = calls;
		this.#pipes = pipes;
	}

	/** Read, and not taken by the kernel yet. Until it has, no more is read. */
	get pendingBytes(): number {
		return (this.#unsent?.length ?? 0) + (this.#pipe?.bytes ?? 0);
	}

	/** Moves what has come to `from`. */
	move(from: number, to: number): Arrival {
		const pipe = this.#fullReads >= bulkReads ? this.#pipes.lend() : undefined;
		return pipe === undefined ? this.#copy(from, to) : this.#moveInKernel(from, to, pipe);
	}

	/** Whether the next move waits for more to come, after one of so many bytes. */
	rests(bytes: number): boolean {
		return this.#pacing.rests(bytes);
	}

	/** Gives on what is pending. Returns the error's number when that failed; 0 too when there is still no room. */
	giveOn(to: number): number {
		if (this.#unsent !== undefined) {
			const sent = this.#calls.send(to, this.#unsent);
			if (sent < 0) return failure(sent);
			this.#unsent = sent === this.#unsent.length ? undefined : this.#unsent.subarray(sent);
		}
		if (this.#pipe === undefined) return 0;
		const failed = failure(this.#pipe.give(to));
		if (this.#pipe.bytes === 0) this.#giveBack();
		return failed;
	}

	/** Gone, with all that is pending. */
	drop(): void {
		this.#unsent = undefined;
		this.#giveBack();
	}

	#copy(from: number, to: number): Arrival {
		let bytes = 0;
		for (let reads = 0; reads < maxReads; reads++) {
			const read = this.#calls.receive(from);
			if (read <= 0) return stopped(read, bytes);
			bytes += read;
			this.#fullReads = read === readBytes ? this.#fullReads + 1 : 0;
			const sent = this.#calls.sendRead(to, read);
			if (failure(sent) !== 0) return { t: "sendFailed", bytes, errno: failure(sent) };
			if (sent < read) this.#unsent = Buffer.from(this.#calls.buffer.subarray(Math.max(sent, 0), read));
			if (sent < read || read < readBytes) break;
		}
		return { t: "bytes", bytes };
	}

	#moveInKernel(from: number, to: number, pipe: KernelPipe): Arrival {
		this.#pipe = pipe;
		const arrival = fillAndGive(from, to, pipe);
		if (pipe.bytes === 0) this.#giveBack();
		this.#seen(arrival.bytes);
		return arrival;
	}

	/** Takes in an arrival that the kernel has moved. */
	#seen(bytes: number): void {
		this.#smallArrivals = bytes > readBytes / 4 ? 0 : this.#smallArrivals + 1;
		if (this.#smallArrivals < maxSmallArrivals) return;
		this.#smallArrivals = 0;
		this.#fullReads = 0;
	}

	#giveBack(): void {
		if (this.#pipe !== undefined) this.#pipes.takeBack(this.#pipe);
		this.#pipe = undefined;
	}
}

function fillAndGive(from: number, to: number, pipe: KernelPipe): Arrival {
	let bytes = 0;
	for (let moves = 0; moves < maxReads; moves++) {
		const taken = pipe.fill(from);
		if (taken <= 0) return stopped(taken, bytes);
		bytes += taken;
		const failed = failure(pipe.give(to));
		if (failed !== 0) return { t: "sendFailed", bytes, errno: failed };
		if (pipe.bytes > 0 || taken < manyBytes) break;
	}
	return { t: "bytes", bytes };
}

/** After a read that gave nothing. */
function stopped(result: number, bytes: number): Arrival {
	if (result === 0) return { t: "end", bytes };
	const failed = failure(result);
	return failed === 0 ? { t: "bytes", bytes } : { t: "readFailed", bytes, errno: failed };
}

/** The number of the error that a call ended with; 0 when it did not, or only has to be made again. */
function failure(result: number): number {
	return result >= 0 || result === -errno.again || result === -errno.interrupted ? 0 : -result;
}
