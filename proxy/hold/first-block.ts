import { decodeFirstBlock } from "./hpack.ts";
import { type FrameHeader, flag, frameType } from "./http2.ts";

/** BuildKit's clients send some 150 bytes; the rest is room for tokens and baggage. */
export const maxHeaderBlockBytes = 64 * 1024;
/** A frame has room for 16 KiB, so four would do; empty ones without end would not (CVE-2024-27316 and its kin). */
export const maxContinuations = 16;

export type FirstBlockResult =
	| { readonly t: "more" }
	| { readonly t: "broken" }
	| { readonly t: "tooLarge" }
	| { readonly t: "headers"; readonly headers: ReadonlyMap<string, string> };

/** Puts the first header block of a connection together: a HEADERS frame and its CONTINUATIONs (RFC 9113, 6.2, 6.10). */
export class FirstBlock {
	readonly #parts: Buffer[] = [];
	#bytes = 0;
	#continuations = 0;
	#collecting = false;
	#begun = false;
	#streamId = 0;
	#flags = 0;
	#complete = false;
	#broken = false;

	/** A frame begins. Between HEADERS and the end of its block only CONTINUATION of that stream is allowed. */
	begin({ type, flags, streamId }: FrameHeader): void {
		const continues = type === frameType.continuation;
		if (continues !== this.#begun || (continues && streamId !== this.#streamId)) this.#broken = true;
		this.#collecting = type === frameType.headers || (this.#begun && continues);
		if (!this.#collecting) return;
		if (continues) this.#continuations++;
		else [this.#flags, this.#streamId] = [flags, streamId];
		this.#begun = true;
		this.#complete = (flags & flag.endHeaders) !== 0;
	}

	/** Payload of the frame that began last. */
	add(bytes: Uint8Array): void {
		if (!this.#collecting || this.#isTooLarge) return;
		this.#bytes += bytes.length;
		this.#parts.push(Buffer.from(bytes));
	}

	/** The frame that began last is over. */
	end(): FirstBlockResult {
		if (this.#broken) return { t: "broken" };
		if (this.#isTooLarge) return { t: "tooLarge" };
		if (!this.#collecting || !this.#complete) return { t: "more" };
		const fragment = this.#unpadded(Buffer.concat(this.#parts));
		const headers = fragment === undefined ? undefined : decodeFirstBlock(fragment);
		return headers === undefined ? { t: "broken" } : { t: "headers", headers };
	}

	get #isTooLarge(): boolean {
		return this.#bytes > maxHeaderBlockBytes || this.#continuations > maxContinuations;
	}

	/**
	 * Takes off what HEADERS may carry beside the block. Padding stands at the end of the HEADERS frame, so with
	 * CONTINUATIONs behind it it would be in the middle: no client does that, and it is refused.
	 */
	#unpadded(payload: Buffer): Buffer | undefined {
		const padded = (this.#flags & flag.padded) !== 0;
		if (padded && (this.#flags & flag.endHeaders) === 0) return undefined;
		const padding = padded ? (payload[0] ?? 0) : 0;
		const start = (padded ? 1 : 0) + ((this.#flags & flag.priority) !== 0 ? 5 : 0);
		return start + padding > payload.length ? undefined : payload.subarray(start, payload.length - padding);
	}
}
