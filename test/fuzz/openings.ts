// Openings of connections: real ones, real ones with a few bytes changed, and hostile ones.
import fc from "fast-check";
import { encodeField } from "../../proxy/hold/hpack.ts";
import {
	clientPreface,
	flag,
	frame,
	frameHeaderBytes,
	frameType,
	settingsAck,
} from "../../proxy/hold/http2.ts";
import { recorded } from "./recorded.ts";

const clientSettings = frame(frameType.settings, 0, 0, Buffer.alloc(0));
const opening = Buffer.concat([clientPreface, clientSettings]);

const bytesUpTo = (maxLength: number) => fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes));

/** A header block of fields that the reader looks at, of others, and of bytes that are no field. */
const anyBlock = fc
	.array(
		fc.oneof(
			fc
				.tuple(
					fc.constantFrom(":path", "grpc-timeout", ":method", "x-unknown"),
					fc.constantFrom(
						"/moby.buildkit.v1.Control/ListWorkers",
						"/moby.buildkit.v1.Control/DiskUsage",
						"/opentelemetry.proto.collector.trace.v1.TraceService/Export",
						"19984m",
						"x".repeat(300),
					),
				)
				.map(([name, value]) => encodeField(name, value)),
			// Indexed fields, table sizes, insertions: RFC 7541, 6.
			fc.integer({ min: 0, max: 255 }).map((byte) => Buffer.from([byte])),
			bytesUpTo(20),
		),
		{ maxLength: 12 },
	)
	.map((parts) => Buffer.concat(parts));

const anyFlags = fc.oneof(
	fc.constantFrom(0, flag.ack, flag.endHeaders, flag.endHeaders | flag.endStream),
	fc.nat(255),
);
const anyType = fc.oneof(fc.nat(9), fc.nat(255));
const anyStream = fc.oneof(
	fc.constantFrom(0, 1, 3),
	fc.nat(0xffffffff).map((id) => id >>> 0),
);

/** A frame of any kind whose header tells its true length. */
const honestFrame = fc.oneof(
	fc.constant(settingsAck),
	fc.constant(clientSettings),
	fc
		.tuple(anyFlags, anyStream, bytesUpTo(9))
		.map(([flags, id, data]) => frame(frameType.ping, flags, id, data)),
	fc
		.tuple(anyFlags, anyStream, anyBlock)
		.map(([flags, id, block]) => frame(frameType.headers, flags, id, block)),
	fc.tuple(anyFlags, anyBlock).map(([flags, block]) => frame(frameType.continuation, flags, 1, block)),
	fc
		.tuple(anyType, anyFlags, anyStream, bytesUpTo(100))
		.map(([type, flags, id, payload]) => frame(type, flags, id, payload)),
);

/** A frame whose header says another length than it has: up to the 16 MiB that 24 bits can say. */
const lyingFrame = fc
	.tuple(honestFrame, fc.oneof(fc.nat(300), fc.constantFrom(16_384, 16_385, 0xffffff), fc.nat(0xffffff)))
	.map(([bytes, length]) => {
		const lying = Buffer.from(bytes);
		lying.writeUIntBE(length, 0, 3);
		return lying;
	});

const anyFrames = fc
	.array(fc.oneof({ arbitrary: honestFrame, weight: 9 }, { arbitrary: lyingFrame, weight: 1 }), {
		maxLength: 20,
	})
	.map((frames) => Buffer.concat(frames));

/** Overwrites, inserts and removes at a few places. */
const edits = fc.array(
	fc.record({ at: fc.nat(2_000), remove: fc.nat(frameHeaderBytes), insert: bytesUpTo(frameHeaderBytes) }),
	{ maxLength: 4 },
);

function edited(original: Buffer, list: readonly { at: number; remove: number; insert: Buffer }[]): Buffer {
	let bytes = original;
	for (const { at, remove, insert } of list) {
		const from = at % (bytes.length + 1);
		bytes = Buffer.concat([bytes.subarray(0, from), insert, bytes.subarray(from + remove)]);
	}
	return bytes;
}

/** What a client may send before it has an answer. */
export const anyOpening: fc.Arbitrary<Buffer> = fc.oneof(
	{
		arbitrary: fc
			.tuple(fc.constantFrom(...Object.values(recorded)), edits)
			.map(([real, list]) => edited(Buffer.from(real, "hex"), list)),
		weight: 4,
	},
	{ arbitrary: anyFrames.map((frames) => Buffer.concat([opening, frames])), weight: 4 },
	{ arbitrary: anyFrames.map((frames) => Buffer.concat([clientPreface, frames])), weight: 1 },
	{ arbitrary: bytesUpTo(300), weight: 1 },
);

/** What a daemon may send first. */
export const anyAnswer: fc.Arbitrary<Buffer> = fc.oneof(
	anyFrames,
	bytesUpTo(100),
	fc.constant(Buffer.alloc(3_000)),
);

export const anyHeaderBlock = fc.oneof(
	anyBlock,
	fc.tuple(anyBlock, edits).map(([block, list]) => edited(block, list)),
	bytesUpTo(400),
);

/** Where a stream of bytes is cut into reads; none at all is the commonest. */
export const anyCuts = fc.oneof(fc.constant<number[]>([]), fc.array(fc.nat(5_000), { maxLength: 20 }));
