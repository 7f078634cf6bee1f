import { flag, frameHeaderBytes, frameType, readFrameHeader } from "./http2.ts";

/** A daemon's SETTINGS have six bytes a setting and it has a handful of them. */
const maxSettingsBytes = 1_024;

export type FirstFrameVerdict =
	| { readonly t: "more" }
	/** The daemon answered; `bytes` is all that was read so far and belongs to the client. */
	| { readonly t: "settings"; readonly bytes: Buffer }
	| { readonly t: "notHttp2" };

/**
 * Waits for the whole first frame of a daemon, its SETTINGS (RFC 9113, 3.4). Nothing reaches the client before, so
 * until then the build can still go to another daemon.
 */
export class FirstFrame {
	#bytes: Buffer = Buffer.alloc(0);

	read(chunk: Uint8Array): FirstFrameVerdict {
		this.#bytes = Buffer.concat([this.#bytes, chunk]);
		if (this.#bytes.length < frameHeaderBytes) return { t: "more" };
		const { length, type, flags, streamId } = readFrameHeader(this.#bytes);
		const isSettings = type === frameType.settings && (flags & flag.ack) === 0 && streamId === 0;
		if (!isSettings || length > maxSettingsBytes) return { t: "notHttp2" };
		if (this.#bytes.length < frameHeaderBytes + length) return { t: "more" };
		return { t: "settings", bytes: this.#bytes };
	}
}
