import type { handleServerStreamingCall, handleUnaryCall } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import type { Clock } from "../common/clock.ts";
import type { Logger } from "../common/log.ts";
import type {
	GetMetricSpecResponse,
	GetMetricsRequest,
	GetMetricsResponse,
	IsActiveResponse,
	ScaledObjectRef,
} from "../protos/external-scaler.ts";
import { type DemandSource, getMetricSpec, getMetrics, isActive } from "./answers.ts";
import { grpcStatusOf } from "./grpc-status.ts";
import { parseScaledObjectRef } from "./metadata.ts";
import type { Pusher } from "./push.ts";
import { pushStreamOf } from "./push-call.ts";

/** A type, not an interface: grpc-js wants an index signature, which only types have implicitly. */
export type ExternalScalerHandlers = {
	readonly IsActive: handleUnaryCall<ScaledObjectRef, IsActiveResponse>;
	readonly StreamIsActive: handleServerStreamingCall<ScaledObjectRef, IsActiveResponse>;
	readonly GetMetricSpec: handleUnaryCall<ScaledObjectRef, GetMetricSpecResponse>;
	readonly GetMetrics: handleUnaryCall<GetMetricsRequest, GetMetricsResponse>;
};

export type Rpc = keyof ExternalScalerHandlers;

export interface HandlerDeps {
	readonly source: DemandSource;
	readonly pusher: Pusher;
	readonly clock: Clock;
	readonly log: Logger;
	/** `durationMs` is undefined for streams: how long one lasts says nothing. */
	readonly onRpc: (rpc: Rpc, code: status, durationMs?: number) => void;
	/** More StreamIsActive calls than this end with RESOURCE_EXHAUSTED. */
	readonly maxStreams: number;
}

/**
 * The four RPCs of externalscaler.ExternalScaler. KEDA sets no deadline on any of them (external_scaler.go), so the
 * unary ones answer at once from memory. Nothing thrown in here leaves as anything but a gRPC status.
 */
export function externalScalerHandlers(deps: HandlerDeps): ExternalScalerHandlers {
	const { source } = deps;
	return {
		IsActive: unary(deps, "IsActive", (ref) => isActive(source, ref)),
		GetMetricSpec: unary(deps, "GetMetricSpec", (ref) => getMetricSpec(source, ref)),
		GetMetrics: unary(deps, "GetMetrics", (request) => getMetrics(source, request)),
		StreamIsActive: streamIsActive(deps),
	};
}

function unary<Request, Response>(
	deps: HandlerDeps,
	rpc: Rpc,
	answer: (request: Request) => Response,
): handleUnaryCall<Request, Response> {
	const { clock, onRpc } = deps;
	return ({ request }, callback) => {
		const startedAt = clock.now();
		let code = status.OK;
		try {
			callback(null, answer(request));
		} catch (thrown) {
			const failure = failureOf(deps, rpc, thrown);
			code = failure.code;
			callback(failure);
		}
		onRpc(rpc, code, clock.now() - startedAt);
	};
}

function streamIsActive(deps: HandlerDeps): ExternalScalerHandlers["StreamIsActive"] {
	const { pusher, onRpc, maxStreams } = deps;
	let open = 0;
	return (call) => {
		const fail = (failure: { code: status; details: string }) => {
			onRpc("StreamIsActive", failure.code);
			call.emit("error", Object.assign(new Error(failure.details), failure));
		};
		if (open >= maxStreams)
			return fail({ code: status.RESOURCE_EXHAUSTED, details: `more than ${maxStreams} streams` });
		try {
			const { key } = parseScaledObjectRef(call.request);
			const free = pusher.open(key, pushStreamOf(call));
			open++;
			// It fires once whatever the end, ours included; KEDA's cancel and a lost connection look the same.
			call.once("cancelled", () => {
				open--;
				free();
				onRpc("StreamIsActive", call.writableEnded ? status.OK : status.CANCELLED);
			});
		} catch (thrown) {
			fail(failureOf(deps, "StreamIsActive", thrown));
		}
	};
}

function failureOf({ log }: HandlerDeps, rpc: Rpc, thrown: unknown): { code: status; details: string } {
	const failure = grpcStatusOf(thrown);
	if (failure.code === status.INTERNAL) log.error({ err: thrown, rpc }, "a call failed");
	return failure;
}
