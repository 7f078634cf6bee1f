import type { handleServerStreamingCall, handleUnaryCall } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import type { Clock } from "../common/clock.ts";
import type { Logger } from "../common/log.ts";
import { OnceAMinute } from "../common/once-a-minute.ts";
import type {
	GetMetricSpecResponse,
	GetMetricsRequest,
	GetMetricsResponse,
	IsActiveResponse,
	ScaledObjectRef,
} from "../protos/external-scaler.ts";
import { type DemandSource, getMetricSpec, getMetrics, isActive } from "./answers.ts";
import type { BurstAssist } from "./burst/burst-assist.ts";
import { safeCooldownMs } from "./demand.ts";
import { grpcStatusOf } from "./grpc-status.ts";
import { type PoolRef, parseScaledObjectRef } from "./metadata.ts";
import type { Pusher } from "./push.ts";
import { pushStreamOf, type StreamCall, specStreamOf } from "./push-call.ts";
import type { SpecPusher } from "./spec-push.ts";

/** A type, not an interface: grpc-js wants an index signature, which only types have implicitly. */
export type ExternalScalerHandlers = {
	readonly IsActive: handleUnaryCall<ScaledObjectRef, IsActiveResponse>;
	readonly StreamIsActive: handleServerStreamingCall<ScaledObjectRef, IsActiveResponse>;
	readonly GetMetricSpec: handleUnaryCall<ScaledObjectRef, GetMetricSpecResponse>;
	readonly GetMetrics: handleUnaryCall<GetMetricsRequest, GetMetricsResponse>;
	readonly StreamMetricSpec: handleServerStreamingCall<ScaledObjectRef, GetMetricSpecResponse>;
};

export type Rpc = keyof ExternalScalerHandlers;

export interface HandlerDeps {
	readonly source: DemandSource;
	readonly pusher: Pusher;
	readonly specPusher: SpecPusher;
	/** Told of each StreamIsActive; undefined where bursts are not helped. */
	readonly burst: Pick<BurstAssist, "open"> | undefined;
	readonly clock: Clock;
	readonly log: Logger;
	/** `durationMs` is undefined for streams: how long one lasts says nothing. */
	readonly onRpc: (rpc: Rpc, code: status, durationMs?: number) => void;
	/** More streams than this end with RESOURCE_EXHAUSTED. */
	readonly maxStreams: number;
}

/**
 * The RPCs of externalscaler.ExternalScaler. KEDA sets no deadline on any of them (external_scaler.go), so the unary
 * ones answer from memory, or within a second. Nothing thrown in here leaves as anything but a gRPC status.
 */
export function externalScalerHandlers(deps: HandlerDeps): ExternalScalerHandlers {
	const { source, pusher, specPusher, burst } = deps;
	const warnOfCooldown = cooldownWarning(deps);
	const streams = { open: 0 };
	return {
		IsActive: unary(deps, "IsActive", (ref) => isActive(source, ref)),
		GetMetricSpec: unary(deps, "GetMetricSpec", (ref) => getMetricSpec(source, ref)),
		GetMetrics: unary(deps, "GetMetrics", (request) => getMetrics(source, request)),
		StreamIsActive: stream(deps, streams, "StreamIsActive", (ref, call) => {
			warnOfCooldown(ref);
			// KEDA is pushed first: it must know the pool as active before it has more replicas.
			const free = pusher.open(ref.key, pushStreamOf(call));
			const unassist = burst?.open(ref.key, call.request.name, ref);
			return () => {
				free();
				unassist?.();
			};
		}),
		StreamMetricSpec: stream(deps, streams, "StreamMetricSpec", ({ key, buildsPerDaemon }, call) =>
			specPusher.open(key, buildsPerDaemon, specStreamOf(call)),
		),
	};
}

/** Said when a stream opens, which is rare; polls are not. */
function cooldownWarning({ clock, log }: HandlerDeps): (ref: PoolRef) => void {
	const told = new OnceAMinute(clock);
	return ({ key, cooldownSeconds }) => {
		if (cooldownSeconds === undefined || cooldownSeconds * 1_000 >= safeCooldownMs) return;
		if (told.admit(key) === undefined) return;
		log.warn(
			{ pool: key, cooldownSeconds },
			`cooldownPeriod is below ${safeCooldownMs / 1_000} s: a proxy that is cut off may lose the daemons of its new builds`,
		);
	};
}

function unary<Request, Response>(
	deps: HandlerDeps,
	rpc: Rpc,
	answer: (request: Request) => Response | Promise<Response>,
): handleUnaryCall<Request, Response> {
	const { clock, onRpc } = deps;
	return async ({ request }, callback) => {
		const startedAt = clock.now();
		let code = status.OK;
		try {
			callback(null, await answer(request));
		} catch (thrown) {
			const failure = failureOf(deps, rpc, thrown);
			code = failure.code;
			callback(failure);
		}
		onRpc(rpc, code, clock.now() - startedAt);
	};
}

/** `begin` hands the call on and returns what frees its state. */
function stream<Response>(
	deps: HandlerDeps,
	streams: { open: number },
	rpc: Rpc,
	begin: (ref: PoolRef, call: StreamCall<Response>) => () => void,
): handleServerStreamingCall<ScaledObjectRef, Response> {
	const { onRpc, maxStreams } = deps;
	return (call) => {
		const fail = (failure: { code: status; details: string }) => {
			onRpc(rpc, failure.code);
			call.emit("error", Object.assign(new Error(failure.details), failure));
		};
		if (streams.open >= maxStreams)
			return fail({ code: status.RESOURCE_EXHAUSTED, details: `more than ${maxStreams} streams` });
		try {
			const free = begin(parseScaledObjectRef(call.request), call);
			streams.open++;
			// It fires once whatever the end, ours included; KEDA's cancel and a lost connection look the same.
			call.once("cancelled", () => {
				streams.open--;
				free();
				onRpc(rpc, call.writableEnded ? status.OK : status.CANCELLED);
			});
		} catch (thrown) {
			fail(failureOf(deps, rpc, thrown));
		}
	};
}

function failureOf({ log }: HandlerDeps, rpc: Rpc, thrown: unknown): { code: status; details: string } {
	const failure = grpcStatusOf(thrown);
	if (failure.code === status.INTERNAL) log.error({ err: thrown, rpc }, "a call failed");
	return failure;
}
