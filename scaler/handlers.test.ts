import { EventEmitter } from "node:events";
import type { ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { createLogger } from "../common/log.ts";
import type { IsActiveResponse, ScaledObjectRef } from "../protos/external-scaler.ts";
import { ManualClock } from "../test/helpers/manual-clock.ts";
import type { DemandSource } from "./answers.ts";
import { externalScalerHandlers } from "./handlers.ts";
import { Pusher } from "./push.ts";
import type { StreamCall } from "./push-call.ts";
import { SpecPusher } from "./spec-push.ts";

const request: ScaledObjectRef = { name: "so", namespace: "ns", scalerMetadata: { pool: "p" } };

function setup(source: Partial<DemandSource> = {}) {
	const warnings: unknown[] = [];
	const log = createLogger("silent");
	log.warn = (fields: object) => void warnings.push(fields);
	const clock = new ManualClock();
	const rpcs: unknown[][] = [];
	const pusher = new Pusher({ clock, activity: () => ({ t: "active", waiting: false }), onPush: () => {} });
	const handlers = externalScalerHandlers({
		source: { demand: () => ({ t: "absent" }), capacity: () => undefined, settle: async () => {}, ...source },
		pusher,
		specPusher: new SpecPusher(() => undefined),
		burst: undefined,
		clock,
		log,
		onRpc: (...rpc) => rpcs.push(rpc),
		maxStreams: 10,
	});
	return { handlers, rpcs, pusher, warnings };
}

/** As much of a grpc-js call as the stream handler uses. */
function streamCall(of = request) {
	const written: unknown[] = [];
	const call = Object.assign(new EventEmitter(), {
		request: of,
		writableEnded: false,
		write: (message: IsActiveResponse) => written.push(message) > 0,
		end() {
			call.writableEnded = true;
			// grpc-js says so after a normal end too, a little later.
			queueMicrotask(() => call.emit("cancelled"));
		},
	});
	return { call: call as unknown as StreamCall<IsActiveResponse>, written };
}

test("a fault of ours is INTERNAL for that call, and counted", async () => {
	const broken = () => {
		throw new TypeError("broken");
	};
	const { handlers, rpcs } = setup({ demand: broken });
	const answers: unknown[] = [];
	const call = { request } as ServerUnaryCall<ScaledObjectRef, IsActiveResponse>;
	const callback: sendUnaryData<IsActiveResponse> = (error) => answers.push(error);
	await handlers.IsActive(call, callback);
	expect(answers).toEqual([{ code: status.INTERNAL, details: "broken" }]);
	expect(rpcs).toEqual([["IsActive", status.INTERNAL, 0]]);
});

test("a cancelled stream is freed once, however often its end is told", () => {
	const { handlers, rpcs, pusher } = setup();
	const { call, written } = streamCall();
	handlers.StreamIsActive(call);
	expect(written).toEqual([{ result: true }]);
	expect(pusher.streams().get("ns/p")).toBe(1);
	call.emit("cancelled");
	call.emit("cancelled");
	expect(pusher.streams().size).toBe(0);
	expect(rpcs).toEqual([["StreamIsActive", status.CANCELLED]]);
});

test("a stream we ended counts as OK", async () => {
	const { handlers, rpcs, pusher } = setup();
	handlers.StreamIsActive(streamCall().call);
	pusher.stop();
	await Promise.resolve();
	expect(rpcs).toEqual([["StreamIsActive", status.OK]]);
});

test("a stream after the stop ends at once, and is freed", async () => {
	const { handlers, rpcs, pusher } = setup();
	pusher.stop();
	const { call, written } = streamCall();
	handlers.StreamIsActive(call);
	await Promise.resolve();
	expect([call.writableEnded, written]).toEqual([true, []]);
	expect(rpcs).toEqual([["StreamIsActive", status.OK]]);
});

test("a cooldown below 20 s is warned of when a stream opens, once; what is not told is not known", () => {
	const { handlers, warnings } = setup();
	const open = (cooldownPeriod: string) =>
		handlers.StreamIsActive(streamCall({ ...request, scalerMetadata: { pool: "p", cooldownPeriod } }).call);
	handlers.StreamIsActive(streamCall().call);
	open("20");
	expect(warnings).toEqual([]);
	open("19");
	open("19");
	expect(warnings).toEqual([{ pool: "ns/p", cooldownSeconds: 19 }]);
});
