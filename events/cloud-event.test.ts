import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type EventParts, poolEvent } from "../test/helpers/pool-event.ts";
import { decodeCloudEvent, encodeCloudEvent, type InvalidCause } from "./cloud-event.ts";

const subject = "buildkit.v1.default.default.proxy.state";
const utf8 = new TextEncoder();

/** A valid message, and what somebody made of it. */
function message(
	change: (message: { data: Record<string, unknown>; [key: string]: unknown }) => void,
): string {
	const valid = JSON.parse(encodeCloudEvent(poolEvent(), 0));
	change(valid);
	return JSON.stringify(valid);
}

const causeOf = (payload: string | Uint8Array, on = subject): InvalidCause | "valid" => {
	const decoded = decodeCloudEvent(on, typeof payload === "string" ? utf8.encode(payload) : payload);
	if (decoded.t === "event") return "valid";
	expect(decoded.error.code).toBe("EVENT_INVALID");
	expect(decoded.error.message.length).toBeLessThan(600);
	return decoded.cause;
};

test("what is encoded is decoded, with its time", () => {
	const event = poolEvent({ busy: [1, 2], waiting: 3 });
	expect(decodeCloudEvent(subject, utf8.encode(encodeCloudEvent(event, 1_234)))).toEqual({
		t: "event",
		event,
		time: 1_234,
	});
});

test("fields of a later version are ignored", () => {
	expect(
		causeOf(
			message((valid) => Object.assign(valid, { traceparent: "00-1", data: { ...valid.data, more: 1 } })),
		),
	).toBe("valid");
});

test("clocks of senders are not believed: any time will do", () => {
	for (const time of ["9999-12-31T00:00:00Z", "yesterday", 7, null])
		expect(causeOf(message((valid) => Object.assign(valid, { time })))).toBe("valid");
});

describe("every kind of nonsense has its cause", () => {
	const snapshot = (parts: Record<string, unknown>) =>
		message((valid) => Object.assign(valid.data["snapshot"] as object, parts));
	const daemon = { name: "d", ordinal: 0, active: 0, idle: 0, draining: false };

	test.each<[string, string | Uint8Array, InvalidCause]>([
		["nothing", "", "notJson"],
		["no UTF-8", new Uint8Array([0xff, 0xfe]), "notJson"],
		["half a message", message(() => {}).slice(0, -1), "notJson"],
		["nested a million deep", "[".repeat(1_000_000), "notJson"],
		["more than 1 MiB", new Uint8Array(1024 * 1024 + 1), "tooLarge"],
		["null", "null", "notCloudEvent"],
		["a list", "[]", "notCloudEvent"],
		["without data", message((valid) => Object.assign(valid, { data: null })), "notCloudEvent"],
		["CloudEvents 2.0", message((valid) => Object.assign(valid, { specversion: "2.0" })), "foreignVersion"],
		["no version", message((valid) => Object.assign(valid, { specversion: undefined })), "foreignVersion"],
		["a type of later", message((valid) => Object.assign(valid, { type: "proxy.moved" })), "unknownType"],
		["a type that is a list", message((valid) => Object.assign(valid, { type: [] })), "unknownType"],
		["1e9 waiting", snapshot({ waiting: 1e9 }), "wrongField"],
		["-1 waiting", snapshot({ waiting: -1 }), "wrongField"],
		["half a build", snapshot({ waiting: 0.5 }), "wrongField"],
		["1e9 active", snapshot({ daemons: [{ ...daemon, active: 1e9 }] }), "wrongField"],
		["-1 active", snapshot({ daemons: [{ ...daemon, active: -1 }] }), "wrongField"],
		["a negative ordinal", snapshot({ daemons: [{ ...daemon, ordinal: -1 }] }), "wrongField"],
		["10,001 daemons", snapshot({ daemons: Array.from({ length: 10_001 }, () => daemon) }), "wrongField"],
		["capacity 0", snapshot({ capacity: 0 }), "wrongField"],
		["a negative sequence", snapshot({ sequence: -1 }), "wrongField"],
		["a sequence beyond 2^53", snapshot({ sequence: 2 ** 60 }), "wrongField"],
		["a negative incarnation", snapshot({ incarnation: -1 }), "wrongField"],
		["infinity", message(() => {}).replace('"waiting":0', '"waiting":1e999'), "wrongField"],
		["no proxy", snapshot({ proxy: "" }), "wrongField"],
		["a proxy with a name of 1 MB", snapshot({ proxy: "x".repeat(1_000_000) }), "wrongField"],
		["__proto__", message(() => {}).replace('"snapshot":', '"__proto__":'), "wrongField"],
	])("%s", (_, payload, cause) => {
		expect(causeOf(payload)).toBe(cause);
	});

	test.each([
		"buildkit.v1.other.default.proxy.state",
		"buildkit.v1.default.other.proxy.state",
		"buildkit.v1.default.default.proxy.stopped",
		"buildkit.v2.default.default.proxy.state",
		"elsewhere",
		"",
	])("another subject: %j", (other) => {
		expect(causeOf(encodeCloudEvent(poolEvent(), 0), other)).toBe("wrongSubject");
	});
});

describe("no message makes the reader throw", () => {
	test("any bytes", () => {
		fc.assert(
			fc.property(fc.string(), fc.uint8Array({ maxLength: 500 }), (on, bytes) => void causeOf(bytes, on)),
		);
	});

	test("any JSON, also in place of any part of a valid message", () => {
		const parts = fc.constantFrom("specversion", "type", "time", "data");
		const fields = fc.constantFrom("namespace", "pool", "snapshot", "connection", "daemon");
		fc.assert(
			fc.property(fc.jsonValue(), parts, fields, (value, part, field) => {
				causeOf(JSON.stringify(value));
				causeOf(message((valid) => Object.assign(valid, { [part]: value })));
				causeOf(message((valid) => Object.assign(valid.data, { [field]: value })));
			}),
		);
	});

	test("a valid message with some bytes changed, cut out or put in", () => {
		const valid = utf8.encode(encodeCloudEvent(poolEvent({ busy: [1] } satisfies EventParts), 0));
		const changes = fc.array(
			fc.record({ at: fc.nat(valid.length), cut: fc.nat(4), put: fc.uint8Array({ maxLength: 4 }) }),
			{ minLength: 1, maxLength: 4 },
		);
		fc.assert(
			fc.property(changes, (list) => {
				let bytes = [...valid];
				for (const { at, cut, put } of list) bytes = bytes.toSpliced(at, cut, ...put);
				causeOf(Uint8Array.from(bytes));
			}),
		);
	});
});
