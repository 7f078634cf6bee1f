// The preStop hook as busybox runs it, with nothing on PATH but what it may use, against real sockets.
import { once } from "node:events";
import http from "node:http";
import net, { type AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { runDrainScript as drain } from "../helpers/drain-script.ts";
import { freePort } from "../helpers/free-port.ts";

/** A scaler that answers each call, in turn, with one of these; the last one again and again. */
async function fakeScaler(...answers: readonly (readonly [status: number, body: string] | "never")[]) {
	const calls: string[] = [];
	const server = http.createServer((request, response) => {
		const answer = answers[Math.min(calls.length, answers.length - 1)] ?? "never";
		calls.push(`${request.method} ${request.url}`);
		request.resume();
		if (answer !== "never") response.writeHead(answer[0]).end(`${answer[1]}\n`);
	});
	await once(server.listen(0, "127.0.0.1"), "listening");
	onTestFinished(() => {
		server.closeAllConnections();
		server.close();
	});
	const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/drain/default/default`;
	return { url, calls };
}

/** What buildkitd is to the hook: a port with connections. */
async function daemon(host = "127.0.0.1") {
	const server = net.createServer((socket) => void socket.on("error", () => {}));
	await once(server.listen(0, host), "listening");
	onTestFinished(() => void server.close());
	const { port } = server.address() as AddressInfo;
	const connect = async () => {
		const socket = net.connect(port, host);
		onTestFinished(() => void socket.destroy());
		await once(socket, "connect");
		return socket;
	};
	return { port, connect };
}

describe("with a scaler", () => {
	test("that answers at once", async () => {
		const { url, calls } = await fakeScaler([200, "drained: no build is on daemon-0"]);
		const { lines, ended } = drain(url, await freePort());
		expect(await ended).toBe(0);
		expect(calls).toEqual(["POST /drain/default/default/daemon-0"]);
		expect(lines).toEqual(["drain: drained: no build is on daemon-0"]);
	});

	test("that has it wait for builds, whatever the connections say", async () => {
		const { url, calls } = await fakeScaler([202, "busy: 1 build is on daemon-0"], [200, "drained: done"]);
		const { connect, port } = await daemon();
		await connect();
		const { lines, ended } = drain(url, port);
		expect(await ended).toBe(0);
		expect(calls).toHaveLength(2);
		expect(lines).toEqual(["drain: busy: 1 build is on daemon-0", "drain: drained: done"]);
	});

	test("that does not know: the connections tell, until it does", async () => {
		const { url } = await fakeScaler([503, "unclear: proxy a is silent"], [200, "drained: done"]);
		const { connect, port } = await daemon();
		await connect();
		const { lines, ended } = drain(url, port);
		expect(await ended).toBe(0);
		expect(lines).toHaveLength(2);
		expect(lines[0]).toMatch(/does not tell \(.*503.*\); watching connections/);
	});

	test("that never answers: the connections tell", async () => {
		const { url, calls } = await fakeScaler("never");
		const { lines, ended } = drain(url, await freePort(), { call: 2 });
		expect(await ended).toBe(0);
		expect(calls).toHaveLength(1);
		expect(lines.at(-1)).toBe("drain: no connection for 2 s");
	});
});

describe("without a scaler", () => {
	test.each(["127.0.0.1", "::1"])("it ends when the last connection at %s has", async (host) => {
		const { connect, port } = await daemon(host);
		const build = await connect();
		const { lines, ended, said } = drain(`http://127.0.0.1:${await freePort()}`, port);
		await said("watching connections");
		// It looks each second: two looks see it.
		const isOver = await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 4_000, "waits"))]);
		expect(isOver).toBe("waits");
		build.destroy();
		expect(await ended).toBe(0);
		expect(lines.at(-1)).toBe("drain: no connection for 2 s");
	});

	test("probes do not hold it", async () => {
		const { connect, port } = await daemon();
		const probing = setInterval(() => {
			void connect().then((socket) => setTimeout(() => socket.destroy(), 100));
		}, 700);
		onTestFinished(() => clearInterval(probing));
		const { ended } = drain(`http://127.0.0.1:${await freePort()}`, port, { quiet: 3 });
		expect(await ended).toBe(0);
	});

	test("it gives up in time for buildkitd to get its SIGTERM, and says so", async () => {
		const { connect, port } = await daemon();
		await connect();
		const { lines, ended } = drain(`http://127.0.0.1:${await freePort()}`, port, { timeout: 4 });
		expect(await ended).toBe(1);
		expect(lines.at(-1)).toBe("drain: 4 s are over; buildkitd gets SIGTERM with the builds that it has");
	});
});
