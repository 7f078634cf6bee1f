import { describe, expect, test } from "vitest";
import { FirstFrame } from "./first-frame.ts";
import { frame, frameType, settingsAck } from "./http2.ts";

/** What buildkitd of every version sends first: MAX_FRAME_SIZE = 16384. */
const daemonSettings = frame(frameType.settings, 0, 0, Buffer.from([0, 5, 0, 0, 0x40, 0]));

describe("FirstFrame", () => {
	test("waits for the whole frame, wherever it is split, and gives back every byte", () => {
		const bytes = Buffer.concat([daemonSettings, settingsAck]);
		for (let cut = 0; cut < bytes.length; cut++) {
			const first = new FirstFrame();
			const before = first.read(bytes.subarray(0, cut));
			if (cut < daemonSettings.length) {
				expect(before).toEqual({ t: "more" });
				expect(first.read(bytes.subarray(cut))).toEqual({ t: "answered", bytes });
			} else {
				expect(before).toEqual({ t: "answered", bytes: bytes.subarray(0, cut) });
			}
		}
	});

	test.each([
		["a TLS alert", Buffer.from([0x15, 0x03, 0x03, 0, 2, 2, 0x28, 0, 0])],
		["an HTTP/1 answer", Buffer.from("HTTP/1.1 400 Bad Request\r\n")],
		["a SETTINGS ACK", settingsAck],
		["SETTINGS of absurd length", frame(frameType.settings, 0, 0, Buffer.alloc(1_030))],
	])("is not fooled by %s", (_what, bytes) => {
		expect(new FirstFrame().read(bytes)).toMatchObject({ t: "wrong" });
	});
});
