import http2 from "node:http2";
import { onTestFinished } from "vitest";

export const listWorkers = "/moby.buildkit.v1.Control/ListWorkers";

/** An ordinary HTTP/2 client on a connection of its own; `answer` sends a request and resolves with its headers. */
export function request(
	port: number,
	path = listWorkers,
	headers: http2.OutgoingHttpHeaders = {},
): {
	session: http2.ClientHttp2Session;
	answer(): Promise<http2.IncomingHttpHeaders>;
} {
	const session = http2.connect(`http://127.0.0.1:${port}`);
	session.on("error", () => {});
	onTestFinished(() => session.destroy());
	return {
		session,
		answer: () =>
			new Promise((resolve, reject) => {
				const stream = session.request({
					":method": "POST",
					":path": path,
					"content-type": "application/grpc",
					...headers,
				});
				stream.on("response", resolve);
				stream.on("error", reject);
			}),
	};
}
