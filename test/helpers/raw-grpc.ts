import { once } from "node:events";
import http2 from "node:http2";
import { onTestFinished } from "vitest";
import { externalScalerService } from "../../protos/external-scaler.ts";
import { scaledObject } from "./scaler.ts";

/** A StreamIsActive call whose client has a window of zero: it takes the headers and no message at all. */
export async function openUnreadStream(address: string) {
	const session = http2.connect(`http://${address}`, { settings: { initialWindowSize: 0 } });
	onTestFinished(() => session.destroy());
	const stream = session.request(grpcHeaders("StreamIsActive"));
	for (const ends of [session, stream]) ends.on("error", () => {});
	stream.end(grpcFrame(externalScalerService.StreamIsActive.requestSerialize(scaledObject())));
	await once(stream, "response");
	return { session, stream };
}

export function grpcHeaders(method: keyof typeof externalScalerService): http2.OutgoingHttpHeaders {
	return {
		":method": "POST",
		":path": externalScalerService[method].path,
		"content-type": "application/grpc",
		te: "trailers",
	};
}

/** A message with gRPC's prefix: not compressed, and its length. */
export function grpcFrame(message: Buffer): Buffer {
	const prefix = Buffer.alloc(5);
	prefix.writeUInt32BE(message.length, 1);
	return Buffer.concat([prefix, message]);
}
