import { expect, test } from "vitest";
import { connectionMove } from "../../test/helpers/connection-move.ts";
import { buildTrace } from "./build-spans.ts";

const wait = { wake: 60_000, queue: 0, dial: 2, firstByte: 3 };

test("a served build has a span for each phase that took time, and one for its time on the daemon", () => {
	const traceParent = { traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: true };
	const move = connectionMove({
		from: "live",
		state: "closed",
		at: 70_000,
		daemon: "d-0",
		reason: "clientClosed",
		build: { openedAt: 1_000, servedAt: 61_005, wait, traceParent },
		bytesFromClient: 7,
	});
	expect(buildTrace(move)).toMatchObject({
		root: { name: "build", startAt: 1_000, endAt: 70_000 },
		phases: [
			{ name: "wake", startAt: 1_000, endAt: 61_000 },
			{ name: "dial", startAt: 61_000, endAt: 61_002 },
			{ name: "firstByte", startAt: 61_002, endAt: 61_005 },
			{ name: "relay", startAt: 61_005, endAt: 70_000 },
		],
		attributes: {
			"client.address": "192.0.2.1",
			"buildkit_scaler.connection": "p-1",
			"buildkit_scaler.daemon": "d-0",
			"buildkit_scaler.result": "completed",
			"buildkit_scaler.bytes_from_client": 7,
		},
		failure: undefined,
		parent: traceParent,
	});
});

test("a refused one says why, once", () => {
	const build = { wait: { wake: 900_000, queue: 0, dial: 0, firstByte: 0 } };
	const refused = { reason: "waitTimeout", message: "no daemon had room", at: 900_000, build } as const;
	const trace = buildTrace(connectionMove({ ...refused, from: "waiting", state: "failing" }));
	expect(trace).toMatchObject({ failure: "no daemon had room", phases: [{ name: "wake" }] });
	expect(trace?.attributes).not.toHaveProperty("buildkit_scaler.identity");
	expect(buildTrace(connectionMove({ ...refused, from: "failing", state: "closed" }))).toBeUndefined();
});

test("what was no build has no trace", () => {
	const closed = { from: "live", state: "closed", reason: "clientClosed" } as const;
	expect(buildTrace(connectionMove(closed))).toBeUndefined();
	expect(buildTrace(connectionMove({ ...closed, build: { purpose: "status" } }))).toBeUndefined();
	expect(buildTrace(connectionMove({ from: "opening", state: "waiting", build: {} }))).toBeUndefined();
});
