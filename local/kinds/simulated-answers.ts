/** The few gRPC answers of a simulated daemon, protobuf written by hand. Pure. */

/** A unary call's answer: a message, or a status other than OK. */
export type Answer =
	| { readonly t: "message"; readonly bytes: Buffer }
	| { readonly t: "failure"; readonly code: number; readonly message: string };

const grpcUnimplemented = 12;

/** Answers a call by its HTTP/2 path; the request does not matter. */
export function answerCall(path: string): Answer {
	switch (path) {
		case "/moby.buildkit.v1.Control/ListWorkers":
			return { t: "message", bytes: field(1, worker()) };
		case "/moby.buildkit.v1.Control/Info":
			return { t: "message", bytes: field(1, version()) };
		default:
			return {
				t: "failure",
				code: grpcUnimplemented,
				message:
					"this is a simulated daemon, which cannot build: install buildkitd and runc, or start a docker engine",
			};
	}
}

/** A gRPC message on the wire: not compressed, its length, its bytes (gRPC over HTTP/2, "Length-Prefixed-Message"). */
export function frameMessage(bytes: Buffer): Buffer {
	const prefix = Buffer.alloc(5);
	prefix.writeUInt32BE(bytes.length, 1);
	return Buffer.concat([prefix, bytes]);
}

/** moby.buildkit.v1.types.WorkerRecord (api/types/worker.proto). */
function worker(): Buffer {
	const label = [field(1, "org.mobyproject.buildkit.worker.executor"), field(2, "simulated")];
	const platform = [field(1, process.arch === "x64" ? "amd64" : process.arch), field(2, "linux")];
	return Buffer.concat([
		field(1, "simulated"),
		field(2, Buffer.concat(label)),
		field(3, Buffer.concat(platform)),
		field(5, version()),
	]);
}

/** moby.buildkit.v1.types.BuildkitVersion. */
function version(): Buffer {
	return Buffer.concat([field(1, "buildkit-scaler"), field(2, "v0.0.0-simulated")]);
}

/** A length-delimited field. All of ours are shorter than 128 bytes or so, but the length is a varint anyway. */
function field(number: number, value: string | Buffer): Buffer {
	const bytes = typeof value === "string" ? Buffer.from(value) : value;
	const lengthDelimited = 2;
	return Buffer.concat([varint((number << 3) | lengthDelimited), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
	const bytes: number[] = [];
	for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
	return Buffer.from([...bytes, value]);
}
