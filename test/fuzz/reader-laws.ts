// What must hold of the readers of opening bytes, whatever the bytes. Each throws where a law is broken.
import assert from "node:assert/strict";
import { FirstFrame } from "../../proxy/hold/first-frame.ts";
import { purposeOf } from "../../proxy/hold/first-request.ts";
import { HoldReader, type HoldVerdict } from "../../proxy/hold/hold-reader.ts";
import { decodeFirstBlock } from "../../proxy/hold/hpack.ts";
import { flag, frameHeaderBytes, frameType, readFrameHeader } from "../../proxy/hold/http2.ts";
import { ClientHelloReader, type HelloVerdict } from "../../proxy/tls/client-hello.ts";

const pingBytes = frameHeaderBytes + 8;

/** Cuts bytes at these places, each taken modulo the length. */
export function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
	const points = [0, ...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
	return points.map((from, i) => bytes.subarray(from, points[i + 1] ?? bytes.length));
}

/** Walks through what was sent: each verdict must account for the bytes that come next, and for no others. */
class Account {
	readonly #sent: Buffer;
	/** What goes to the daemon. */
	readonly kept: Buffer[] = [];
	/** Bytes accounted for. */
	at = 0;
	refused = false;
	#acks = 0;

	constructor(sent: Buffer) {
		this.#sent = sent;
	}

	take(verdict: HoldVerdict): void {
		assert(!this.refused, "a verdict after the refusal");
		switch (verdict.t) {
			case "keep":
				return this.passOn(Buffer.from(verdict.bytes));
			case "ping": {
				const { type, flags, length } = this.#nextFrame();
				assert(type === frameType.ping && (flags & flag.ack) === 0 && length === 8, "not a PING");
				const payload = this.#sent.subarray(this.at + frameHeaderBytes, this.at + pingBytes);
				assert(payload.equals(verdict.payload), "another PING's payload");
				this.at += pingBytes;
				return;
			}
			case "settingsAck": {
				const { type, flags, length } = this.#nextFrame();
				assert(type === frameType.settings && (flags & flag.ack) !== 0 && length === 0, "not an ACK");
				assert.equal(++this.#acks, 1, "a second ACK was dropped");
				this.at += frameHeaderBytes;
				return;
			}
			case "refuse":
				this.refused = true;
		}
	}

	passOn(bytes: Buffer): void {
		assert(bytes.equals(this.#sent.subarray(this.at, this.at + bytes.length)), "other bytes than were sent");
		this.kept.push(bytes);
		this.at += bytes.length;
	}

	#nextFrame() {
		assert(this.#sent.length - this.at >= frameHeaderBytes, "a frame that was not sent");
		return readFrameHeader(this.#sent.subarray(this.at));
	}
}

/** What is kept, answered and dropped is what was sent, in order; only the begun frame or preface may be missing. */
export function everyByteIsAccountedFor(bytes: Buffer, cuts: readonly number[]): void {
	const reader = new HoldReader();
	const account = new Account(bytes);
	for (const chunk of split(bytes, cuts)) for (const verdict of reader.read(chunk)) account.take(verdict);
	const missing = bytes.length - account.at;
	assert(account.refused || missing < 24, `${missing} bytes are missing`);
}

/** Verdicts are the same however the bytes are cut. */
export function splittingChangesNothing(bytes: Buffer, cuts: readonly number[]): void {
	assert.deepEqual(summary(split(bytes, cuts)), summary([bytes]));
}

function summary(chunks: readonly Buffer[]): object {
	const reader = new HoldReader();
	const kept: Buffer[] = [];
	const others: object[] = [];
	for (const verdict of chunks.flatMap((chunk) => reader.read(chunk))) {
		if (verdict.t === "keep") kept.push(Buffer.from(verdict.bytes));
		// Who knocks without speaking HTTP/2 is a guess from the first chunk, for a metric.
		else if (verdict.t === "refuse") others.push({ ...verdict, reason: "" });
		else others.push(verdict);
	}
	return { kept: Buffer.concat(kept).toString("hex"), others };
}

/**
 * A daemon may answer at any moment: what went to it before, the begun part and all that comes later is what was sent
 * without the PINGs that were answered and the one ACK.
 */
export function releaseLosesNothing(bytes: Buffer, releaseAt: number, cuts: readonly number[]): void {
	const reader = new HoldReader();
	const account = new Account(bytes);
	const cut = releaseAt % (bytes.length + 1);
	for (const verdict of reader.read(bytes.subarray(0, cut))) account.take(verdict);
	// Nobody is assigned a daemon before its first request.
	if (account.refused || account.at < 24) return;
	account.passOn(Buffer.from(reader.release()));
	let bypassed = reader.ackSeen;
	for (const chunk of split(bytes.subarray(cut), cuts)) {
		if (bypassed) {
			account.passOn(chunk);
			continue;
		}
		for (const verdict of reader.read(chunk)) {
			assert(verdict.t !== "ping", "a PING is the daemon's to answer");
			account.take(verdict);
		}
		if (account.refused) return;
		bypassed = reader.ackSeen;
		if (bypassed) account.passOn(Buffer.from(reader.release()));
	}
	const missing = bytes.length - account.at;
	assert(missing < (bypassed ? 1 : frameHeaderBytes), `${missing} bytes are missing`);
}

/** A block is either read or refused, and what is read is no larger than a small multiple of it. */
export function blockIsReadOrRefused(block: Buffer): void {
	const headers = decodeFirstBlock(block);
	if (headers === undefined) return;
	assert(headers.size <= block.length, "more fields than bytes");
	purposeOf(headers);
}

/** A daemon's opening is either SETTINGS, given back byte for byte, or refused; nobody waits on without end. */
export function firstFrameIsJudged(bytes: Buffer, cuts: readonly number[]): void {
	const first = new FirstFrame();
	let read = Buffer.alloc(0);
	for (const chunk of split(bytes, cuts)) {
		read = Buffer.concat([read, chunk]);
		const verdict = first.read(chunk);
		if (verdict.t === "wrong") return;
		if (verdict.t === "answered") return assert(verdict.bytes.equals(read), "other bytes than were sent");
	}
	assert(read.length < 2_000, "still undecided");
}

/** As much as a hello may have, in records of one byte each. */
const longestHelloBytes = 6 * 16 * 1024 + 100;

/** A TLS client's opening is judged the same however it is cut, and nobody is read without end. */
export function helloIsReadOrRefused(bytes: Buffer, cuts: readonly number[]): void {
	const whole = new ClientHelloReader().read(bytes);
	const reader = new ClientHelloReader();
	let verdict: HelloVerdict = { t: "more" };
	for (const chunk of split(bytes, cuts)) {
		verdict = reader.read(chunk);
		if (verdict.t !== "more") break;
	}
	assert.equal(verdict.t, whole.t);
	if (verdict.t === "hello" && whole.t === "hello") assert.equal(verdict.serverName, whole.serverName);
	assert(verdict.t !== "more" || bytes.length < longestHelloBytes, "still undecided");
}
