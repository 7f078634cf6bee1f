import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { maxContinuations } from "./first-block.ts";
import { HoldReader, type HoldVerdict } from "./hold-reader.ts";
import { encodeField } from "./hpack.ts";
import { clientPreface, flag, frame, frameType, h2Error, settingsAck } from "./http2.ts";

const settings = frame(frameType.settings, 0, 0, new Uint8Array(0));
const opening = Buffer.concat([clientPreface, settings]);

/** Verdicts with the kept bytes joined, since how they are cut up means nothing. */
function readAll(chunks: readonly Uint8Array[]): { kept: Buffer; others: HoldVerdict[]; reader: HoldReader } {
	const reader = new HoldReader();
	const kept: Uint8Array[] = [];
	const others: HoldVerdict[] = [];
	for (const chunk of chunks) {
		for (const verdict of reader.read(chunk)) {
			if (verdict.t === "keep") kept.push(Buffer.from(verdict.bytes));
			else others.push(verdict);
		}
	}
	return { kept: Buffer.concat(kept), others, reader };
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
	const points = [0, ...[...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)];
	return points.map((from, i) => bytes.subarray(from, points[i + 1] ?? bytes.length));
}

const anyPayload = fc.uint8Array({ maxLength: 300 });
const anyFrame = fc.oneof(
	anyPayload.map((payload) => ({ kind: "data", bytes: frame(0, 0, 1, payload) })),
	fc.string({ maxLength: 200 }).map((path) => ({
		kind: "headers",
		bytes: frame(frameType.headers, flag.endHeaders, 1, encodeField(":path", path)),
	})),
	fc.constant({ kind: "ack", bytes: settingsAck }),
	fc
		.uint8Array({ minLength: 8, maxLength: 8 })
		.map((p) => ({ kind: "ping", bytes: frame(frameType.ping, 0, 0, p) })),
	fc.constant({ kind: "windowUpdate", bytes: frame(8, 0, 0, Buffer.from([0, 0, 1, 0])) }),
	fc.constant({ kind: "unknown", bytes: frame(0xbe, 0xff, 7, Buffer.from("future")) }),
);

describe("HoldReader", () => {
	test("keeps everything but the first SETTINGS ACK and the PINGs, however the bytes are split", () => {
		fc.assert(
			fc.property(
				fc.array(anyFrame, { maxLength: 30 }),
				fc.array(fc.nat(), { maxLength: 40 }),
				(frames, cuts) => {
					const bytes = Buffer.concat([opening, ...frames.map((f) => f.bytes)]);
					const firstAck = frames.findIndex((f) => f.kind === "ack");
					const expected = frames.filter((f, i) => f.kind !== "ping" && i !== firstAck).map((f) => f.bytes);
					const { kept, others } = readAll(split(bytes, cuts));
					expect(kept).toEqual(Buffer.concat([opening, ...expected]));
					expect(others.filter((v) => v.t === "ping")).toHaveLength(
						frames.filter((f) => f.kind === "ping").length,
					);
					expect(others.filter((v) => v.t === "settingsAck")).toHaveLength(firstAck === -1 ? 0 : 1);
					expect(others.filter((v) => v.t === "refuse")).toEqual([]);
				},
			),
		);
	});

	test("says the same for one byte at a time as for all at once", () => {
		const bytes = Buffer.concat([
			opening,
			settingsAck,
			frame(frameType.ping, 0, 0, Buffer.from("12345678")),
			frame(frameType.headers, flag.endHeaders, 1, Buffer.from([0x83])),
		]);
		const whole = readAll([bytes]);
		const bytewise = readAll([...bytes].map((byte) => Buffer.from([byte])));
		expect(bytewise.kept).toEqual(whole.kept);
		expect(bytewise.others).toEqual(whole.others);
		expect(whole.others.map((v) => v.t)).toEqual([
			"preface",
			"settingsAck",
			"ping",
			"streamOpened",
			"request",
		]);
	});

	test("never throws and never keeps more than it read, whatever the bytes", () => {
		fc.assert(
			fc.property(
				fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 20 }),
				fc.boolean(),
				(chunks, client) => {
					const input = client ? [opening, ...chunks] : chunks;
					const { kept } = readAll(input);
					expect(kept.length).toBeLessThanOrEqual(Buffer.concat(input).length);
				},
			),
			{ numRuns: 500 },
		);
	});

	test.each([
		["an HTTP/1 request", Buffer.from("GET / HTTP/1.1\r\n\r\n"), "http1"],
		["a TLS hello", Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]), "tls"],
		["garbage", Buffer.from("\x00\x01garbage"), "notHttp2"],
		[
			"a preface with a wrong end",
			Buffer.concat([clientPreface.subarray(0, 20), Buffer.from("xxxx")]),
			"notHttp2",
		],
		["an HTTP/1 request for POST", Buffer.from("POST /upload HTTP/1.1\r\n"), "http1"],
	])("refuses %s", (_what, bytes, reason) => {
		expect(readAll([bytes]).others).toMatchObject([{ t: "refuse", reason }]);
	});

	test("a half-sent preface gets no verdict yet", () => {
		expect(readAll([clientPreface.subarray(0, 23)])).toMatchObject({ others: [], kept: Buffer.alloc(0) });
	});

	test.each([
		["a first frame that is not SETTINGS", frame(0, 0, 1, Buffer.from("data")), h2Error.protocolError],
		["a first frame that is a SETTINGS ACK", settingsAck, h2Error.protocolError],
		[
			"a frame longer than anyone allowed",
			Buffer.concat([settings, frame(0, 0, 1, Buffer.alloc(16_385)).subarray(0, 9)]),
			h2Error.frameSizeError,
		],
		[
			"a PING of the wrong size",
			Buffer.concat([settings, frame(frameType.ping, 0, 0, Buffer.alloc(7))]),
			h2Error.frameSizeError,
		],
		[
			"a SETTINGS ACK with payload",
			Buffer.concat([settings, frame(frameType.settings, flag.ack, 0, Buffer.alloc(6))]),
			h2Error.frameSizeError,
		],
	])("refuses %s", (_what, bytes, code) => {
		const { others } = readAll([clientPreface, bytes]);
		expect(others.at(-1)).toMatchObject({ t: "refuse", reason: "protocolError", code });
	});

	test("reads the first request, however its header block is cut into frames", () => {
		const block = Buffer.concat([encodeField(":path", "/a.b/C"), encodeField("grpc-timeout", "19S")]);
		const priority = Buffer.from([0, 0, 0, 0, 10]);
		const forms = [
			[frame(frameType.headers, flag.endHeaders, 1, block)],
			[frame(frameType.headers, flag.endHeaders | flag.priority, 1, Buffer.concat([priority, block]))],
			[
				frame(
					frameType.headers,
					flag.endHeaders | flag.padded,
					1,
					Buffer.concat([Buffer.from([3]), block, Buffer.alloc(3)]),
				),
			],
			...Array.from({ length: block.length }, (_, cut) => [
				frame(frameType.headers, 0, 1, block.subarray(0, cut)),
				frame(frameType.continuation, 0, 1, Buffer.alloc(0)),
				frame(frameType.continuation, flag.endHeaders, 1, block.subarray(cut)),
			]),
		];
		for (const frames of forms) {
			const later = frame(frameType.headers, flag.endHeaders, 3, encodeField(":path", "/later"));
			const { others, kept } = readAll([opening, ...frames, later]);
			const requests = others.flatMap((v) => (v.t === "request" ? [Object.fromEntries(v.headers)] : []));
			expect(requests).toEqual([{ ":path": "/a.b/C", "grpc-timeout": "19S" }]);
			expect(kept).toEqual(Buffer.concat([opening, ...frames, later]));
		}
	});

	test.each([
		["a broken header block", [frame(frameType.headers, flag.endHeaders, 1, Buffer.from([0xff, 0xff]))]],
		[
			"another frame inside a header block",
			[frame(frameType.headers, 0, 1, Buffer.alloc(0)), frame(0, 0, 1, Buffer.from("data"))],
		],
		[
			"CONTINUATION without HEADERS",
			[frame(frameType.continuation, flag.endHeaders, 1, Buffer.from([0x83]))],
		],
		[
			"CONTINUATION of another stream",
			[
				frame(frameType.headers, 0, 1, Buffer.alloc(0)),
				frame(frameType.continuation, flag.endHeaders, 3, Buffer.from([0x83])),
			],
		],
		[
			"more padding than payload",
			[frame(frameType.headers, flag.endHeaders | flag.padded, 1, Buffer.from([9]))],
		],
	])("refuses %s with COMPRESSION_ERROR", (_what, frames) => {
		const { others } = readAll([opening, ...frames]);
		expect(others.at(-1)).toMatchObject({ t: "refuse", code: h2Error.compressionError });
	});

	test.each([
		["SETTINGS", frame(frameType.settings, 0, 1, new Uint8Array(0))],
		["a SETTINGS ACK", frame(frameType.settings, flag.ack, 1, new Uint8Array(0))],
		["a PING", frame(frameType.ping, 0, 3, Buffer.alloc(8))],
		["GOAWAY", frame(frameType.goaway, 0, 1, Buffer.alloc(8))],
		["DATA", frame(frameType.data, 0, 0, Buffer.from("data"))],
		["HEADERS", frame(frameType.headers, flag.endHeaders, 0, Buffer.from([0x83]))],
		["a server's HEADERS", frame(frameType.headers, flag.endHeaders, 2, Buffer.from([0x83]))],
		["RST_STREAM", frame(frameType.rstStream, 0, 0, Buffer.alloc(4))],
		["PRIORITY", frame(frameType.priority, 0, 0, Buffer.alloc(5))],
		["PUSH_PROMISE", frame(frameType.pushPromise, 0, 1, Buffer.alloc(4))],
	])("refuses %s on a wrong stream", (_what, bytes) => {
		const { others } = readAll([opening, bytes]);
		expect(others.at(-1)).toMatchObject({ t: "refuse", code: h2Error.protocolError });
	});

	test("but leaves them to the daemon once there is one", () => {
		const reader = new HoldReader();
		reader.read(Buffer.concat([opening, settingsAck]));
		reader.release();
		const data = frame(frameType.data, 0, 0, Buffer.from("data"));
		expect(reader.read(data)).toEqual([{ t: "keep", bytes: data }]);
	});

	test("does not look at what follows the ACK once there is a daemon, however much has come with it", () => {
		const reader = new HoldReader();
		reader.read(opening);
		reader.release();
		const raw = Buffer.alloc(64 * 1024);
		const verdicts = reader.read(Buffer.concat([settingsAck, raw]));
		expect(verdicts).toEqual([{ t: "settingsAck" }, { t: "keep", bytes: raw }]);
	});

	test("refuses a header block that never ends, however small its frames are", () => {
		const headers = frame(frameType.headers, 0, 1, encodeField(":path", "/a.b/C"));
		const empty = frame(frameType.continuation, 0, 1, Buffer.alloc(0));
		const refusal = { t: "refuse", reason: "headersTooLarge", code: h2Error.enhanceYourCalm };
		const many = Array.from({ length: maxContinuations + 1 }, () => empty);
		expect(readAll([opening, headers, ...many]).others.at(-1)).toMatchObject(refusal);
		const large = frame(frameType.continuation, 0, 1, Buffer.alloc(16_384));
		expect(readAll([opening, headers, large, large, large, large]).others.at(-1)).toMatchObject(refusal);
		const enough = Array.from({ length: maxContinuations - 1 }, () => empty);
		const end = frame(frameType.continuation, flag.endHeaders, 1, Buffer.alloc(0));
		expect(readAll([opening, headers, ...enough, end]).others.at(-1)).toMatchObject({ t: "request" });
	});

	test.each([16_385, 65_536, 0x7fffff, 0xffffff])(
		"a frame that says it has %i bytes is refused by its header",
		(length) => {
			for (const type of [0, 1, 3, 4, 6, 7, 9, 0xbe]) {
				const isOfConnection = [frameType.settings, frameType.ping, frameType.goaway].some((t) => t === type);
				const header = frame(type, 0, isOfConnection ? 0 : 1, Buffer.alloc(0));
				header.writeUIntBE(length, 0, 3);
				const { kept, others } = readAll([Buffer.concat([opening, header])]);
				expect(others.at(-1)).toMatchObject({ t: "refuse", code: h2Error.frameSizeError });
				expect(kept).toEqual(opening);
			}
		},
	);

	test("the longest frame that is allowed passes, and the reader itself keeps nothing of it", () => {
		const longest = frame(0, 0, 1, Buffer.alloc(16_384, 7));
		const { kept, others } = readAll([opening, ...split(longest, [5, 9, 10, 8_000])]);
		expect(kept).toEqual(Buffer.concat([opening, longest]));
		expect(others.map(({ t }) => t)).toEqual(["preface"]);
	});

	test("reads nothing after a refusal", () => {
		const { others, kept } = readAll([Buffer.from("GET / HTTP/1.1\r\n"), opening]);
		expect(others).toHaveLength(1);
		expect(kept).toHaveLength(0);
	});

	test("a release in the middle of anything loses and repeats no byte", () => {
		const frames = [
			settingsAck,
			frame(frameType.headers, flag.endHeaders, 1, Buffer.from([0x83])),
			frame(frameType.ping, 0, 0, Buffer.from("12345678")),
			settingsAck,
			frame(0, 0, 1, Buffer.from("body")),
		];
		const bytes = Buffer.concat([opening, ...frames]);
		for (let cut = opening.length; cut <= bytes.length; cut++) {
			const { kept, others, reader } = readAll([bytes.subarray(0, cut)]);
			const passed = [kept, Buffer.from(reader.release())];
			let rest = bytes.subarray(cut);
			if (!reader.ackSeen) {
				for (const verdict of reader.read(rest))
					if (verdict.t === "keep") passed.push(Buffer.from(verdict.bytes));
				rest = Buffer.from(reader.release());
			}
			passed.push(Buffer.from(rest));
			// A PING is answered while held, and the daemon's once released: never both, never neither.
			const answered = others.some((v) => v.t === "ping");
			const expected = frames.filter((f, i) => i !== 0 && !(answered && f[3] === frameType.ping));
			expect(Buffer.concat(passed), `cut at ${cut}`).toEqual(Buffer.concat([opening, ...expected]));
		}
	});
});
