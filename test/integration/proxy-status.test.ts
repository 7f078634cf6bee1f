// Questions about the pool, as `buildx ls` asks them: answered soon, and no reason to start a daemon.
import { describe, expect, onTestFinished, test } from "vitest";
import { listWorkers, request } from "../helpers/h2-request.ts";
import { RawClient } from "../helpers/raw-client.ts";
import { startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy } from "../helpers/test-proxy.ts";

const deadline = { "grpc-timeout": "19984m" };

const says = (text: string) => ({ "grpc-status": "8", "grpc-message": expect.stringContaining(text) });

/** A port that refuses: it was someone's until just now. */
async function refusingPort(): Promise<number> {
	const daemon = await startStandIn();
	const { port } = daemon;
	await daemon.stop();
	return port;
}

describe("a question about the pool", () => {
	test("is answered at once while nobody is awake, and nobody hears of it", async () => {
		const { port, events, moves, closedCount } = await startTestProxy();
		const { answer, session } = request(port, listWorkers, deadline);
		expect(await answer()).toMatchObject(says("this pool is asleep"));
		// buildx asks a second time, on the same connection.
		expect(await answer()).toMatchObject(says("this pool is asleep"));
		session.destroy();
		await expect.poll(() => closedCount("noWake")).toBe(1);
		expect(moves.at(-1)).toMatchObject({ state: "closed", reason: "noWake" });
		expect(events.map(({ type }) => type)).toEqual(["proxy.state"]);
	});

	test("is answered although a daemon that sleeps is listed: it refuses, or does not accept", async () => {
		const { port, events, source, clock, until, proxy } = await startTestProxy();
		source.set([await refusingPort()]);
		const { answer } = request(port, listWorkers, deadline);
		const answered = answer();
		await until(() => proxy.state().pools[0]?.daemons[0]?.reachability === "avoided");
		clock.advance(500);
		expect(await answered).toMatchObject(says("this pool is asleep"));
		// Known to refuse: no second look.
		expect(await request(port, listWorkers, deadline).answer()).toMatchObject(says("asleep"));
		expect(events.map(({ type }) => type)).toEqual(["proxy.state"]);
	});

	test("goes to a daemon that is awake, and is no demand before", async () => {
		const { port, events, source, until } = await startTestProxy();
		const daemon = await startStandIn();
		source.set([daemon.port]);
		void request(port, listWorkers, deadline)
			.answer()
			.catch(() => {});
		await until(() => daemon.connections[0]?.received.includes("PRI * HTTP/2.0") === true);
		const [, opened, assigned] = events;
		expect(opened).toMatchObject({ type: "connection.opened", snapshot: { waiting: 0 } });
		expect(assigned).toMatchObject({ type: "connection.assigned", snapshot: { waiting: 0 } });
	});

	test("is told that all are busy, and comes after every build", async () => {
		const { port, source, until, proxy, moves } = await startTestProxy({ capacity: 1 });
		const daemon = await startStandIn();
		source.set([daemon.port]);
		await RawClient.opened(port);
		await until(() => moves.at(-1)?.state === "live");
		const waiting = await RawClient.opened(port);
		await until(() => proxy.state().pools[0]?.waiting === 1);
		expect(await request(port, listWorkers, deadline).answer()).toMatchObject(says("are busy"));
		expect(proxy.state().pools[0]).toMatchObject({ waiting: 1, daemons: [{ active: 1 }] });
		waiting.socket.destroy();
	});

	test("is told, when the daemon that took it closes before it answers; nobody waits in its place", async () => {
		const { port, source, proxy } = await startTestProxy();
		const daemon = await startStandIn((socket) => socket.destroy());
		source.set([daemon.port]);
		expect(await request(port, listWorkers, deadline).answer()).toMatchObject(says("asleep"));
		expect(proxy.state().pools[0]).toMatchObject({ waiting: 0 });
	});

	test("whose client leaves at once leaves nothing behind", async () => {
		const { port, source, until, proxy, clock } = await startTestProxy();
		const daemon = await startStandIn(() => {});
		source.set([daemon.port]);
		const { session, answer } = request(port, listWorkers, deadline);
		void answer().catch(() => {});
		await until(() => daemon.connections.length === 1);
		session.destroy();
		await until(() => proxy.state().pools[0]?.connections.length === 0);
		clock.advance(500);
		expect(proxy.state().pools[0]).toMatchObject({ waiting: 0, daemons: [{ active: 0 }] });
	});

	test("wakes the pool where that is wished", async () => {
		const { port, until, proxy } = await startTestProxy({ wakeOnStatus: true });
		const { session, answer } = request(port, listWorkers, deadline);
		onTestFinished(() => session.destroy());
		void answer().catch(() => {});
		await until(() => proxy.state().pools[0]?.waiting === 1);
	});
});
