/** A read of this much is a bulk transfer's, and more is on its way. */
const bulkReadBytes = 16 * 1024;

/**
 * After a bulk read the next one waits until so much has come, or for `restMs`. Moving bytes costs wakeups rather than
 * copies, ours and the receiver's: 4% of the time of a context upload (bench/). Nothing that was read waits.
 */
export const muchBytes = 32 * 1024;
export const restMs = 1;

/**
 * A sender that has used up its window, HTTP/2's or TCP's, stands still until its receiver has read: then a rest yields
 * less, ends by the clock, and only costs time. After two of those in a row come many reads without one, and twice as
 * many each time as long as that goes on.
 */
const maxPoorRests = 2;
const fewestEagerReads = 256;
const mostEagerReads = 16 * 1024;

/** Decides for one direction whether it rests before its next read. */
export class ReadPacing {
	#resting = false;
	#poorRests = 0;
	#eagerReads = 0;
	#nextEagerReads = fewestEagerReads;

	/** Takes in a read; returns whether to rest before the next one. */
	rests(readBytes: number): boolean {
		if (this.#resting) this.#judge(readBytes);
		this.#resting = this.#eagerReads === 0 && readBytes >= bulkReadBytes;
		if (this.#eagerReads > 0) this.#eagerReads--;
		return this.#resting;
	}

	/** Whether the rest before this read was worth it. */
	#judge(readBytes: number): void {
		if (readBytes >= muchBytes) {
			this.#poorRests = 0;
			this.#nextEagerReads = fewestEagerReads;
		} else if (++this.#poorRests >= maxPoorRests) {
			this.#poorRests = 0;
			this.#eagerReads = this.#nextEagerReads;
			this.#nextEagerReads = Math.min(2 * this.#nextEagerReads, mostEagerReads);
		}
	}
}
