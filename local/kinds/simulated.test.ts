import { mkdtempSync, rmSync } from "node:fs";
import http2 from "node:http2";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openStateDirectory, type StateDirectory } from "../state-directory.ts";
import { simulatedKind } from "./simulated.ts";
import { answerCall } from "./simulated-answers.ts";

let state: StateDirectory;
beforeEach(() => {
	state = openStateDirectory(mkdtempSync(join(tmpdir(), "sim-")), 1);
});
afterEach(() => rmSync(state.path, { recursive: true }));

/** Connects as soon as the daemon listens. */
async function connect(): Promise<http2.ClientHttp2Session> {
	for (;;) {
		const socket = net.connect(state.socket(0));
		const connected = await new Promise<boolean>((resolve) => {
			socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
		});
		if (connected) return http2.connect("http://daemon", { createConnection: () => socket });
		await new Promise(setImmediate);
	}
}

async function call(session: http2.ClientHttp2Session, path: string) {
	const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc" });
	stream.end(Buffer.alloc(5));
	let head: http2.IncomingHttpHeaders = {};
	let trailers: http2.IncomingHttpHeaders = {};
	stream.on("response", (headers) => {
		head = headers;
	});
	stream.on("trailers", (headers) => {
		trailers = headers;
	});
	const chunks: Buffer[] = [];
	for await (const chunk of stream) chunks.push(chunk);
	return { body: Buffer.concat(chunks), status: { ...head, ...trailers } };
}

test("lists one worker, refuses to build in the client's own terms, and ends when told", async () => {
	const daemon = simulatedKind(state).spawn(0);
	const session = await connect();
	const workers = await call(session, "/moby.buildkit.v1.Control/ListWorkers");
	expect(workers.status).toMatchObject({ "grpc-status": "0" });
	expect(workers.body.readUInt32BE(1)).toBe(workers.body.length - 5);
	expect(workers.body.toString()).toContain("simulated");
	const solve = await call(session, "/moby.buildkit.v1.Control/Solve");
	expect(solve.status).toMatchObject({ "grpc-status": "12" });
	expect(solve.status["grpc-message"]).toContain("this is a simulated daemon");
	session.close();
	daemon.terminate();
	expect((await daemon.exit).how).toBe("exit code 0");
});

test("the worker is protobuf as moby/buildkit's api/types/worker.proto has it", () => {
	const answer = answerCall("/moby.buildkit.v1.Control/ListWorkers");
	if (answer.t !== "message") throw new Error("no message");
	// record = 1 { ID = 1 "simulated", …
	expect(answer.bytes.subarray(0, 13).toString("latin1")).toBe(
		`\x0a${String.fromCharCode(answer.bytes.length - 2)}\x0a\x09simulated`,
	);
});
