import type { ServerWritableStream } from "@grpc/grpc-js";
import type { GetMetricSpecResponse, IsActiveResponse, ScaledObjectRef } from "../protos/external-scaler.ts";
import { metricSpecOf } from "./answers.ts";
import type { Pushed, PushStream } from "./push.ts";
import type { SpecStream } from "./spec-push.ts";

export type StreamCall<Response> = ServerWritableStream<ScaledObjectRef, Response>;

/** A StreamIsActive call as something to push on. It holds one message at most, however slow the client reads. */
export function pushStreamOf(call: StreamCall<IsActiveResponse>): PushStream {
	// Not `write() === false`: that comes after 16 messages are queued, while here the second is already too many.
	let delivering = false;
	return {
		push(): Pushed {
			if (delivering) return "coalesced";
			delivering = true;
			call.write({ result: true }, () => {
				delivering = false;
			});
			return "sent";
		},
		end: () => call.end(),
	};
}

/** The same for StreamMetricSpec; of the targets that change meanwhile, the latest is the next message. */
export function specStreamOf(call: StreamCall<GetMetricSpecResponse>): SpecStream {
	let delivering = false;
	let next: number | undefined;
	return {
		send(target) {
			next = target;
			deliver();
		},
		end: () => call.end(),
	};
	function deliver(): void {
		if (delivering || next === undefined || call.writableEnded) return;
		const message = metricSpecOf(next);
		next = undefined;
		delivering = true;
		call.write(message, () => {
			delivering = false;
			deliver();
		});
	}
}
