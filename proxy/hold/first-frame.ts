import type { FirstAnswer, FirstAnswerVerdict } from "./hold.ts";
import { flag, frameHeaderBytes, frameType, readFrameHeader } from "./http2.ts";

/** A daemon's SETTINGS have six bytes a setting and it has a handful of them. */
const maxSettingsBytes = 1_024;

/** Waits for the whole first frame of a daemon, its SETTINGS (RFC 9113, 3.4). */
export class FirstFrame implements FirstAnswer {
	#bytes: Buffer = Buffer.alloc(0);

	read(chunk: Uint8Array): FirstAnswerVerdict {
		this.#bytes = Buffer.concat([this.#bytes, chunk]);
		if (this.#bytes.length < frameHeaderBytes) return { t: "more" };
		const { length, type, flags, streamId } = readFrameHeader(this.#bytes);
		const isSettings = type === frameType.settings && (flags & flag.ack) === 0 && streamId === 0;
		if (!isSettings || length > maxSettingsBytes) {
			return { t: "wrong", why: "answered with something else than HTTP/2" };
		}
		if (this.#bytes.length < frameHeaderBytes + length) return { t: "more" };
		return { t: "answered", bytes: this.#bytes };
	}
}
