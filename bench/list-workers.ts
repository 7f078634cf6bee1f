import http2 from "node:http2";

/** A gRPC message of no bytes: not compressed, length 0. An empty ListWorkersRequest. */
const emptyMessage = Buffer.alloc(5);
const longestCallMs = 10_000;

export interface CallTimes {
	/** From the start of the connect to the end of the first answer, in ms. */
	readonly firstMs: number;
	/** A second call on the same connection, in ms. */
	readonly nextMs: number;
}

/** Connects, asks a daemon for its workers twice, and disconnects. */
export async function timeListWorkers(port: number): Promise<CallTimes> {
	const startedAt = performance.now();
	const session = http2.connect(`http://127.0.0.1:${port}`);
	const closed = new Promise<void>((resolve) => session.once("close", resolve));
	try {
		await call(session);
		const firstAt = performance.now();
		await call(session);
		return { firstMs: firstAt - startedAt, nextMs: performance.now() - firstAt };
	} finally {
		session.destroy();
		await closed;
	}
}

function call(session: http2.ClientHttp2Session): Promise<void> {
	return new Promise((resolve, reject) => {
		session.once("error", reject);
		const stream = session.request({
			":method": "POST",
			":path": "/moby.buildkit.v1.Control/ListWorkers",
			"content-type": "application/grpc",
			te: "trailers",
		});
		let status: unknown;
		stream.once("trailers", (trailers) => {
			status = trailers["grpc-status"];
		});
		stream.setTimeout(longestCallMs, () => stream.destroy(new Error("no answer to ListWorkers")));
		stream.once("error", reject);
		stream.once("close", () => {
			session.off("error", reject);
			if (status === "0") resolve();
			else reject(new Error(`ListWorkers ended with grpc-status ${status}`));
		});
		stream.resume();
		stream.end(emptyMessage);
	});
}
