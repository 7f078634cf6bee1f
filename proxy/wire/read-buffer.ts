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
/** Whether others read into the buffer of these bytes too, so that they are gone with the next read of any of them. */
export function isShared(bytes: Buffer): boolean {
	return bytes.buffer === sharedBuffer.buffer;
}

/** Decides for one direction how large a buffer it reads into. */
export class ReadBuffer {
	/** For the next read. */
	buffer = sharedBuffer;
	#isOwned = false;
	#sharedReads = 0;

	/** From now on it may have a buffer of its own. */
	own(): void {
		this.#isOwned = true;
	}

	/** Takes in a read: the next one gets more room after one that took most of what there was. */
	afterRead(readBytes: number): void {
		const size = this.buffer.length;
		if (!this.#isOwned) return;
		if (isShared(this.buffer)) {
			if (readBytes > smallBufferBytes) this.#renew(firstOwnBytes);
			else if (++this.#sharedReads >= sharedReads) this.#renew(smallBufferBytes);
		} else if (readBytes > size / 2 && size < bulkBufferBytes) {
			this.#renew(Math.min(size * 4, bulkBufferBytes));
		}
	}

	#renew(bytes: number): void {
		this.buffer = Buffer.allocUnsafeSlow(bytes);
	}
}
