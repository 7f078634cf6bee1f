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

/** Whether others read into the buffer of these bytes too, so that they are gone with the next read of any of them. */
export function isShared(bytes: Buffer): boolean {
	return bytes.buffer === sharedBuffer.buffer;
}

/** Decides for one direction how large a buffer it reads into, and whether it leaves what comes to the kernel. */
export class ReadBuffer {
	/** For the next read. */
	buffer = sharedBuffer;
	readonly #kernelMoves: () => boolean;
	#isOwned = false;
	#sharedReads = 0;
	/** Arrivals in a row that were no bulk; undefined while the kernel does not move what comes. */
	#smallArrivals: number | undefined;

	constructor(kernelMoves: () => boolean) {
		this.#kernelMoves = kernelMoves;
	}

	/** From now on it may have a buffer of its own. */
	own(): void {
		this.#isOwned = true;
	}

	get isOwned(): boolean {
		return this.#isOwned;
	}

	/** Whether the kernel moves what has come after a read. */
	get isLeftToKernel(): boolean {
		return this.#smallArrivals !== undefined;
	}

	/** Takes in a read: the next one gets more room after one that took most of what there was. */
	afterRead(readBytes: number): void {
		const size = this.buffer.length;
		if (!this.#isOwned) return;
		if (isShared(this.buffer)) {
			if (readBytes > smallBufferBytes) this.#renew(firstOwnBytes);
			else if (++this.#sharedReads >= sharedReads) this.#renew(smallBufferBytes);
		} else if (this.#smallArrivals === undefined && readBytes > size / 2) {
			if (size < bulkBufferBytes) this.#renew(Math.min(size * 4, bulkBufferBytes));
			else if (this.#kernelMoves()) {
				this.#smallArrivals = 0;
				this.#renew(bulkFirstBytes);
			}
		}
	}

	/** Takes in a read and all that the kernel has moved after it. */
	afterArrival(bytes: number): void {
		if (this.#smallArrivals === undefined) return;
		this.#smallArrivals = bytes > bulkFirstBytes ? 0 : this.#smallArrivals + 1;
		if (this.#smallArrivals < maxSmallArrivals) return;
		this.#smallArrivals = undefined;
		this.#renew(firstOwnBytes);
	}

	#renew(bytes: number): void {
		this.buffer = Buffer.allocUnsafeSlow(bytes);
	}
}
