import { Writable } from "node:stream";
import { pino } from "pino";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { ScalerError } from "../common/error.ts";
import { ManualClock } from "../test/helpers/manual-clock.ts";
import { invalidEvents } from "./invalid-events.ts";

test("a flood of bad messages is counted, and is one line a minute for each cause", async () => {
	const lines: { cause: string; moreBefore: number }[] = [];
	const stream = new Writable({
		write(chunk: Buffer, _encoding, done) {
			lines.push(JSON.parse(chunk.toString()));
			done();
		},
	});
	const clock = new ManualClock();
	const registry = new Registry();
	const drop = invalidEvents("scaler", { clock, log: pino(stream), registry });
	const error = new ScalerError("EVENT_INVALID", "event on x: not JSON");
	for (let message = 0; message < 10_000; message++) drop(error, "notJson");
	drop(error, "tooLarge");
	clock.advance(60_000);
	drop(error, "notJson");
	expect(lines.map(({ cause, moreBefore }) => [cause, moreBefore])).toEqual([
		["notJson", 0],
		["tooLarge", 0],
		["notJson", 9_999],
	]);
	expect(await registry.metrics()).toContain('buildkit_scaler_invalid_events_total{cause="notJson"} 10001');
});
