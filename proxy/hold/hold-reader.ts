import { ScalerError } from "../../common/error.ts";
import type { CloseReason } from "../../events/schema.ts";
import { FirstBlock, maxContinuations, maxHeaderBlockBytes } from "./first-block.ts";
import {
	clientPreface,
	type FrameHeader,
	flag,
	frameHeaderBytes,
	frameType,
	type H2Error,
	h2Error,
	initialMaxFrameBytes,
	readFrameHeader,
} from "./http2.ts";

/** What the client's bytes mean to a proxy that has answered with its own SETTINGS and has no daemon yet. */
export type HoldVerdict =
	/** The connection preface is complete: this is an HTTP/2 client. */
	| { readonly t: "preface" }
	/** Bytes that belong to the daemon, in order. A view into the chunk that was read: copy it to keep it. */
	| { readonly t: "keep"; readonly bytes: Uint8Array }
	/** A PING to answer here; it is not kept. */
	| { readonly t: "ping"; readonly payload: Uint8Array }
	/** The client's answer to the early SETTINGS: exactly one, and not kept, for the daemon never sent them. */
	| { readonly t: "settingsAck" }
	/** The client's first request; what it asks for tells who it is. Comes once. */
	| { readonly t: "request"; readonly headers: ReadonlyMap<string, string> }
	/** The client opened a stream, which will want an answer. */
	| { readonly t: "streamOpened"; readonly streamId: number }
	| { readonly t: "streamReset"; readonly streamId: number }
	/** Not a client, or one that breaks the protocol. Nothing after this is read. */
	| {
			readonly t: "refuse";
			readonly reason: CloseReason;
			readonly code: H2Error;
			readonly message: string;
	  };

type Phase =
	| { readonly t: "preface"; matched: number }
	| { readonly t: "header"; have: number }
	| { readonly t: "payload"; left: number }
	| { readonly t: "ping"; have: number }
	| { readonly t: "refused" };

/**
 * Reads a client's opening bytes: pure, bytes in, verdicts out. The rules are those of a hold with an early server
 * preface, "strip" variant: the one SETTINGS ACK that answers the proxy is dropped, everything else reaches the
 * daemon byte for byte, so the HPACK state of both ends stays theirs.
 */
export class HoldReader {
	#phase: Phase = { t: "preface", matched: 0 };
	readonly #header = new Uint8Array(frameHeaderBytes);
	readonly #ping = new Uint8Array(8);
	#settingsSeen = false;
	#ackSeen = false;
	#holding = true;
	/** Collects the first header block; undefined once it was read, or nobody wants it any more. */
	#firstBlock: FirstBlock | undefined = new FirstBlock();

	/** Whether the one SETTINGS ACK was dropped: only then may bytes bypass this reader. */
	get ackSeen(): boolean {
		return this.#ackSeen;
	}

	/** Nothing is left to find: all else is the daemon's as it is. */
	get #isDone(): boolean {
		return !this.#holding && this.#ackSeen;
	}

	/** Reads one chunk of any size, split anywhere. */
	read(chunk: Uint8Array): HoldVerdict[] {
		const verdicts: HoldVerdict[] = [];
		let at = 0;
		while (at < chunk.length && this.#phase.t !== "refused" && !this.#isDone) {
			at = this.#step(chunk, at, verdicts);
		}
		if (this.#isDone && at < chunk.length) verdicts.push({ t: "keep", bytes: chunk.subarray(at) });
		return verdicts;
	}

	/**
	 * The hold is over: the daemon answers PINGs and judges frames from now on. Returns the begun part of a frame
	 * that was not passed on yet; it goes to the daemon before anything else.
	 */
	release(): Uint8Array {
		this.#holding = false;
		this.#firstBlock = undefined;
		const phase = this.#phase;
		if (phase.t === "ping") {
			this.#phase = { t: "payload", left: 8 - phase.have };
			return Buffer.concat([this.#header, this.#ping.subarray(0, phase.have)]);
		}
		// A begun header stays here until the ACK was seen: it may be the header of that very ACK.
		if (phase.t === "header" && this.#ackSeen) {
			this.#phase = { t: "header", have: 0 };
			return this.#header.slice(0, phase.have);
		}
		return new Uint8Array(0);
	}

	#step(chunk: Uint8Array, at: number, verdicts: HoldVerdict[]): number {
		const phase = this.#phase;
		switch (phase.t) {
			case "preface": {
				const n = Math.min(clientPreface.length - phase.matched, chunk.length - at);
				const expected = clientPreface.subarray(phase.matched, phase.matched + n);
				if (!expected.equals(chunk.subarray(at, at + n))) {
					this.#refuse(verdicts, foreignReason(chunk, phase.matched), h2Error.protocolError, "not HTTP/2");
					return chunk.length;
				}
				phase.matched += n;
				if (phase.matched === clientPreface.length) {
					this.#phase = { t: "header", have: 0 };
					verdicts.push({ t: "preface" }, { t: "keep", bytes: clientPreface });
				}
				return at + n;
			}
			case "header": {
				const n = Math.min(frameHeaderBytes - phase.have, chunk.length - at);
				this.#header.set(chunk.subarray(at, at + n), phase.have);
				phase.have += n;
				if (phase.have === frameHeaderBytes) this.#frameBegun(verdicts);
				return at + n;
			}
			case "ping": {
				const n = Math.min(8 - phase.have, chunk.length - at);
				this.#ping.set(chunk.subarray(at, at + n), phase.have);
				phase.have += n;
				if (phase.have === 8) {
					verdicts.push({ t: "ping", payload: this.#ping.slice() });
					this.#phase = { t: "header", have: 0 };
				}
				return at + n;
			}
			case "payload": {
				const n = Math.min(phase.left, chunk.length - at);
				const bytes = chunk.subarray(at, at + n);
				verdicts.push({ t: "keep", bytes });
				this.#firstBlock?.add(bytes);
				phase.left -= n;
				if (phase.left === 0) this.#frameEnded(verdicts);
				return at + n;
			}
			case "refused":
				throw new ScalerError("INTERNAL", "read after refusal");
		}
	}

	#frameBegun(verdicts: HoldVerdict[]): void {
		const header = readFrameHeader(this.#header);
		const { length, type, flags, streamId } = header;
		const isAck = type === frameType.settings && (flags & flag.ack) !== 0;
		if (!this.#settingsSeen) {
			if (type !== frameType.settings || isAck) {
				return this.#refuseFrame(verdicts, h2Error.protocolError, "the first frame is not SETTINGS");
			}
			this.#settingsSeen = true;
		}
		if (this.#holding && !isOnItsStream(header)) {
			return this.#refuseFrame(
				verdicts,
				h2Error.protocolError,
				`a frame of type ${type} on stream ${streamId}`,
			);
		}
		if (isAck && !this.#ackSeen) {
			if (length !== 0)
				return this.#refuseFrame(verdicts, h2Error.frameSizeError, "a SETTINGS ACK with payload");
			this.#ackSeen = true;
			this.#phase = { t: "header", have: 0 };
			verdicts.push({ t: "settingsAck" });
			return;
		}
		if (this.#holding) {
			if (length > initialMaxFrameBytes) {
				return this.#refuseFrame(verdicts, h2Error.frameSizeError, `a frame of ${length} bytes`);
			}
			if (type === frameType.ping && (flags & flag.ack) === 0) {
				if (length !== 8)
					return this.#refuseFrame(verdicts, h2Error.frameSizeError, "a PING that is not 8 bytes");
				this.#phase = { t: "ping", have: 0 };
				return;
			}
			if (type === frameType.headers) verdicts.push({ t: "streamOpened", streamId });
			if (type === frameType.rstStream) verdicts.push({ t: "streamReset", streamId });
		}
		this.#firstBlock?.begin(header);
		verdicts.push({ t: "keep", bytes: this.#header.slice() });
		if (length === 0) this.#frameEnded(verdicts);
		else this.#phase = { t: "payload", left: length };
	}

	#frameEnded(verdicts: HoldVerdict[]): void {
		this.#phase = { t: "header", have: 0 };
		const result = this.#firstBlock?.end();
		if (result === undefined || result.t === "more") return;
		this.#firstBlock = undefined;
		if (result.t === "broken") {
			return this.#refuseFrame(verdicts, h2Error.compressionError, "a broken header block");
		}
		if (result.t === "tooLarge") {
			const message = `more than ${maxHeaderBlockBytes} bytes or ${maxContinuations} CONTINUATION frames of headers`;
			return this.#refuse(verdicts, "headersTooLarge", h2Error.enhanceYourCalm, message);
		}
		verdicts.push({ t: "request", headers: result.headers });
	}

	#refuseFrame(verdicts: HoldVerdict[], code: H2Error, message: string): void {
		this.#refuse(verdicts, "protocolError", code, message);
	}

	#refuse(verdicts: HoldVerdict[], reason: CloseReason, code: H2Error, message: string): void {
		this.#phase = { t: "refused" };
		verdicts.push({ t: "refuse", reason, code, message });
	}
}

/** Whether a client may send such a frame on this stream at all (RFC 9113, 6). Types nobody knows are everywhere. */
function isOnItsStream({ type, streamId }: FrameHeader): boolean {
	switch (type) {
		case frameType.settings:
		case frameType.ping:
		case frameType.goaway:
			return streamId === 0;
		case frameType.headers:
			// Clients open odd ones (5.1.1).
			return streamId % 2 === 1;
		case frameType.data:
		case frameType.priority:
		case frameType.rstStream:
		case frameType.continuation:
			return streamId !== 0;
		case frameType.pushPromise:
			return false;
		default:
			return true;
	}
}

/** Guesses from the first chunk who is knocking, so that the metric helps whoever misconfigured it. */
function foreignReason(chunk: Uint8Array, matchedBefore: number): CloseReason {
	if (matchedBefore > 0) return "notHttp2";
	// A TLS record of type handshake (22), version 3.x (RFC 8446, 5.1).
	if (chunk[0] === 0x16 && (chunk.length === 1 || chunk[1] === 0x03)) return "tls";
	const text = Buffer.from(chunk.subarray(0, 8)).toString("latin1");
	if (/^(GET|HEAD|POST|PUT|DELETE|OPTIONS|CONNECT|PATCH|TRACE) ?/.test(text)) return "http1";
	return "notHttp2";
}
