import type { ServerWritableStream } from "@grpc/grpc-js";
import type { IsActiveResponse, ScaledObjectRef } from "../protos/external-scaler.ts";
import type { Pushed, PushStream } from "./push.ts";

export type StreamIsActiveCall = ServerWritableStream<ScaledObjectRef, IsActiveResponse>;

/** A StreamIsActive call as something to push on. It holds one message at most, however slow the client reads. */
export function pushStreamOf(call: StreamIsActiveCall): PushStream {
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
