import { once } from "node:events";
import net from "node:net";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { defaultLimits } from "../limits.ts";

/** As it is loaded by a Node with, or without, its FFI. */
async function load(isThere: boolean): Promise<typeof import("./dead-host.ts")> {
	vi.resetModules();
	if (!isThere) vi.spyOn(process, "getBuiltinModule").mockReturnValue(undefined);
	return await import("./dead-host.ts");
}

async function connectedSocket(): Promise<net.Socket> {
	const server = net.createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	if (typeof address !== "object" || address === null) throw new Error("not listening");
	const socket = net.connect(address.port, "127.0.0.1");
	onTestFinished(() => {
		socket.destroy();
		server.close();
	});
	await once(socket, "connect");
	return socket;
}

afterEach(() => vi.restoreAllMocks());

describe("a Node without FFI", () => {
	test("has keepalive, and says what it lacks", async () => {
		const { endWhenHostDies, userTimeoutSupport } = await load(false);
		expect(userTimeoutSupport()).toEqual({
			ok: false,
			reason: expect.stringMatching(/^Node v\S+ has no node:ffi$|^not on /),
		});
		const socket = await connectedSocket();
		const setKeepAlive = vi.spyOn(socket, "setKeepAlive");
		endWhenHostDies(socket, defaultLimits);
		expect(setKeepAlive).toHaveBeenCalledWith(true, 15_000, 10_000, 3);
	});
});

test("loading the FFI writes no warning into the log, and what warns later is heard", async () => {
	const warnings: string[] = [];
	const emitWarning = vi.spyOn(process, "emitWarning").mockImplementation((text) => {
		warnings.push(String(text));
	});
	const { userTimeoutSupport } = await load(true);
	userTimeoutSupport();
	expect(warnings).toEqual([]);
	process.emitWarning("later");
	expect(warnings).toEqual(["later"]);
	emitWarning.mockRestore();
});

test("a socket that is gone is no error", async () => {
	const { endWhenHostDies } = await load(true);
	const socket = await connectedSocket();
	socket.destroy();
	endWhenHostDies(socket, defaultLimits);
});
