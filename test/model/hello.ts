/** What client and daemon say to each other through a proxy, so that each knows whom it reached. */
import { encodeField } from "../../proxy/hold/hpack.ts";
import { clientPreface, flag, frame, frameType, settingsAck } from "../../proxy/hold/http2.ts";

const empty = Buffer.alloc(0);

/** What every client says first; then the number of its build follows. */
const opening = Buffer.concat([
	clientPreface,
	frame(frameType.settings, 0, 0, empty),
	settingsAck,
	frame(
		frameType.headers,
		flag.endHeaders,
		1,
		Buffer.concat([
			encodeField(":method", "POST"),
			encodeField(":path", "/moby.buildkit.v1.Control/ListWorkers"),
		]),
	),
]);

const idBytes = 4;

/** All that a client says until it has a daemon. */
export function clientHello(build: number): Buffer {
	const id = Buffer.alloc(idBytes);
	id.writeUInt32BE(build);
	return Buffer.concat([opening, frame(frameType.data, flag.endStream, 1, id)]);
}

/** The build's number, in what a proxy passed on to a daemon. */
export function buildOf(bytes: Uint8Array): number {
	return Buffer.from(bytes.buffer, bytes.byteOffset + bytes.length - idBytes, idBytes).readUInt32BE();
}

/** SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113, 6.5.2), which stands for the pod that says it. */
const setting = 3;
const settingBytes = 6;
const headerBytes = 9;

export function daemonHello(pod: number): Buffer {
	const payload = Buffer.alloc(settingBytes);
	payload.writeUInt16BE(setting);
	payload.writeUInt32BE(pod, 2);
	return frame(frameType.settings, 0, 0, payload);
}

/** What a proxy wrote to its client: the hello of a daemon, why there is none, or nothing of interest. */
export function readAnswer(
	bytes: Uint8Array,
): { readonly t: "daemon"; readonly pod: number } | { readonly t: "told" } | undefined {
	if (bytes.length === headerBytes + settingBytes && bytes[3] === frameType.settings) {
		const payload = Buffer.from(bytes.buffer, bytes.byteOffset + headerBytes, settingBytes);
		if (payload.readUInt16BE() === setting) return { t: "daemon", pod: payload.readUInt32BE(2) };
	}
	return Buffer.from(bytes).includes("buildkit-scaler") ? { t: "told" } : undefined;
}
