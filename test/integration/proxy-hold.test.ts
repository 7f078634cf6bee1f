import net from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { frame, frameType, pingAck, settingsAck } from "../../proxy/hold/http2.ts";
import { clientOpening, firstRequest, RawClient } from "../helpers/raw-client.ts";
import { daemonSettings, StandInDaemon, startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy } from "../helpers/test-proxy.ts";

describe("the hold", () => {
	test("answers at once, and the daemon gets every byte but one SETTINGS ACK", async () => {
		const { port, source, moves, until } = await startTestProxy();
		const client = await RawClient.opened(port);
		await until(() => moves.at(-1)?.state === "waiting");
		const real = await startStandIn();
		source.set([real.port]);
		await client.frame((f) => f.type === frameType.settings && f.length === 6);
		client.send(settingsAck);
		const expected = Buffer.concat([clientOpening, firstRequest, settingsAck]);
		await until(() => real.connections[0]?.received.length === expected.length);
		expect(real.connections[0]?.received).toEqual(expected);
		expect(client.received.subarray(9)).toEqual(daemonSettings);
	});

	test("answers PINGs while held and leaves them to the daemon afterwards", async () => {
		const { port, source, until } = await startTestProxy();
		const client = await RawClient.opened(port);
		const ping = (text: string) => frame(frameType.ping, 0, 0, Buffer.from(text));
		client.send(ping("while it"));
		const answer = await client.frame((f) => f.type === frameType.ping);
		expect(pingAck(answer.payload)).toEqual(pingAck(Buffer.from("while it")));
		const real = await startStandIn();
		source.set([real.port]);
		await client.frame((f) => f.length === 6);
		client.send(ping("is awake"));
		await until(() => real.connections[0]?.received.includes("is awake") ?? false);
		expect(real.connections[0]?.received.includes("while it")).toBe(false);
	});

	test("drops the ACK also when it comes after the daemon did", async () => {
		const { port, source, until, moves } = await startTestProxy();
		const client = await RawClient.connect(port);
		client.send(Buffer.concat([clientOpening, firstRequest]));
		const real = await startStandIn();
		source.set([real.port]);
		await until(() => moves.at(-1)?.state === "live");
		// In two pieces, and another frame hard on its heels.
		client.send(settingsAck.subarray(0, 4));
		client.send(Buffer.concat([settingsAck.subarray(4), settingsAck, firstRequest]));
		const expected = Buffer.concat([clientOpening, firstRequest, settingsAck, firstRequest]);
		await until(() => (real.connections[0]?.received.length ?? 0) >= expected.length);
		expect(real.connections[0]?.received).toEqual(expected);
	});

	test("a daemon that closes before its first whole frame loses the build to the next one", async () => {
		const closesAtOnce = await startStandIn((socket) => socket.once("data", () => socket.destroy()));
		const closesMidFrame = await startStandIn((socket) => {
			socket.once("data", () => socket.end(daemonSettings.subarray(0, 12)));
		});
		const speaksHttp1 = await startStandIn((socket) => {
			socket.once("data", () => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
		});
		const good = await startStandIn();
		const { port, source, proxy, moves, until } = await startTestProxy();
		const client = await RawClient.opened(port);
		source.set([closesAtOnce.port, closesMidFrame.port, speaksHttp1.port, good.port]);
		await client.frame((f) => f.length === 6);
		expect(moves.at(-1)).toMatchObject({ state: "live", daemon: "daemon-3" });
		const expected = Buffer.concat([clientOpening, firstRequest]);
		await until(() => good.connections[0]?.received.length === expected.length);
		expect(good.connections[0]?.received).toEqual(expected);
		expect(proxy.state().pools[0]?.daemons.map((d) => d.reachability)).toEqual([
			"avoided",
			"avoided",
			"avoided",
			"answering",
		]);
	});

	test("a daemon that is not up yet is dialed again until it is", async () => {
		const { port, source, clock, until, proxy } = await startTestProxy();
		const placeholder = await StandInDaemon.start();
		const daemonPort = placeholder.port;
		await placeholder.stop();
		source.set([daemonPort]);
		const client = await RawClient.opened(port);
		const reachability = () => proxy.state().pools[0]?.daemons[0]?.reachability;
		for (const delayMs of [10, 20, 40, 50, 50]) {
			await until(() => reachability() === "avoided");
			clock.advance(delayMs - 1);
			expect(reachability()).toBe("avoided");
			clock.advance(1);
		}
		const late = net.createServer((socket) => socket.write(daemonSettings));
		onTestFinished(() => void late.close());
		await new Promise<void>((resolve) => late.listen(daemonPort, "127.0.0.1", resolve));
		await until(() => reachability() !== "trying");
		clock.advance(50);
		await client.frame((f) => f.length === 6);
		client.socket.destroy();
	});

	test("a half-sent preface, even split by byte, becomes a client when the rest arrives", async () => {
		const { port, moves, until } = await startTestProxy();
		const client = await RawClient.connect(port);
		for (const byte of Buffer.concat([clientOpening, settingsAck, firstRequest])) {
			client.socket.write(Buffer.from([byte]));
			await new Promise((resolve) => setImmediate(resolve));
		}
		await until(() => moves.at(-1)?.state === "waiting");
		expect(moves.map((m) => m.state)).toEqual(["opening", "waiting"]);
	});
});
