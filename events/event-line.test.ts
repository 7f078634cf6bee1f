import fc from "fast-check";
import { expect, test } from "vitest";
import { poolEvent } from "../test/helpers/pool-event.ts";
import { decodeCloudEvent, encodeCloudEvent } from "./cloud-event.ts";
import { messageJson, messageLine } from "./event-line.ts";
import type { PoolEvent } from "./schema.ts";

const time = Date.UTC(2026, 10, 21, 18, 6, 47, 123);
const { snapshot } = poolEvent({ busy: [2, 0, 1], waiting: 3 });
const at = { namespace: "ci", pool: "amd64", snapshot };
const line = (event: PoolEvent) => messageLine({ t: "event", event, time });

test.each<[PoolEvent, string]>([
	[
		{ ...at, type: "connection.opened", connection: { id: "c-1", client: "10.0.0.7:5000" } },
		"connection.opened    c-1  client 10.0.0.7:5000",
	],
	[
		{ ...at, type: "connection.assigned", connection: { id: "c-1", daemon: "buildkitd-0", waitMs: 187 } },
		"connection.assigned  c-1  daemon buildkitd-0  waited 187 ms",
	],
	[
		{
			...at,
			type: "connection.closed",
			connection: {
				id: "c-1",
				daemon: "buildkitd-0",
				reason: "clientClosed",
				waitMs: 1_870,
				durationMs: 65_000,
				bytesFromClient: 3 * 2 ** 20,
				bytesFromDaemon: 17,
			},
		},
		"connection.closed    c-1  clientClosed  daemon buildkitd-0  waited 1.9 s  took 65.0 s  " +
			"3.0 MiB from client  17 B from daemon",
	],
	[{ ...at, type: "proxy.state" }, "proxy.state          proxy proxy-0  3 waiting  3 active on 2 daemons"],
	[{ ...at, type: "proxy.stopped" }, "proxy.stopped        proxy proxy-0"],
	[{ ...at, type: "daemon.draining", daemon: "buildkitd-0" }, "daemon.draining      daemon buildkitd-0"],
])("a line for $type", (event, expected) => {
	expect(line(event)).toBe(`2026-11-21T18:06:47.123Z  ci/amd64  ${expected}`);
});

test("whatever a sender writes, it is one line, and nothing that moves a terminal's cursor", () => {
	const marks = [
		"\u001b",
		"\n",
		"\r",
		"\u0000",
		"\u0085",
		"\u2028",
		"\u2029",
		"\u202e",
		"\ud800",
		"[2J",
		"é",
		"a",
	];
	const hostile = fc.string({ unit: fc.constantFrom(...marks), maxLength: 40 });
	fc.assert(
		fc.property(hostile, (client) => {
			const opened = line({ ...at, type: "connection.opened", connection: { id: "c", client } });
			const invalid = messageLine(
				decodeCloudEvent(`buildkit.v1.${client}`, new TextEncoder().encode(client)),
			);
			for (const text of [opened, invalid]) expect(text).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u);
		}),
	);
});

test("as JSON: the event as it was sent, on one line, or what is wrong", () => {
	const event = poolEvent();
	const text = JSON.stringify(JSON.parse(encodeCloudEvent(event, time)), undefined, 2);
	const payload = new TextEncoder().encode(text);
	const subject = "buildkit.v1.default.default.proxy.state";
	const json = messageJson(decodeCloudEvent(subject, payload), payload);
	expect(json).not.toContain("\n");
	expect(JSON.parse(json)).toEqual(JSON.parse(text));
	expect(JSON.parse(messageJson(decodeCloudEvent(subject, Buffer.from("{")), Buffer.from("{")))).toEqual({
		invalid: "notJson",
		error: `event on ${subject}: not JSON`,
	});
});
