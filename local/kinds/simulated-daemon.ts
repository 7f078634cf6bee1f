// A program: node simulated-daemon.ts <unix socket>. Speaks enough gRPC for a client to see that it is no buildkitd.
import http2 from "node:http2";
import { answerCall, frameMessage } from "./simulated-answers.ts";

const [, , socket] = process.argv;
if (socket === undefined) throw new Error("usage: simulated-daemon <unix socket>");

const sessions = new Set<http2.ServerHttp2Session>();
const server = http2.createServer();
server.on("session", (session) => {
	sessions.add(session);
	session.on("close", () => sessions.delete(session));
	// A client that vanishes must not end the daemon.
	session.on("error", () => {});
});
server.on("stream", (stream: http2.ServerHttp2Stream, headers) => {
	stream.on("error", () => {});
	stream.resume();
	const answer = answerCall(headers[":path"] ?? "");
	const type = { ":status": 200, "content-type": "application/grpc" };
	switch (answer.t) {
		case "failure": {
			const { code, message } = answer;
			stream.respond({ ...type, "grpc-status": code, "grpc-message": message }, { endStream: true });
			return;
		}
		case "message":
			stream.respond(type, { waitForTrailers: true });
			stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": 0 }));
			stream.end(frameMessage(answer.bytes));
	}
});
server.listen(socket);

// As buildkitd: no new connections, streams under way end by themselves, and so does the process.
process.once("SIGTERM", () => {
	server.close();
	for (const session of sessions) session.close();
});
