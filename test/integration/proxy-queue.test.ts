import { describe, expect, test } from "vitest";
import { openedBytes, RawClient } from "../helpers/raw-client.ts";
import { startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy, type TestProxy } from "../helpers/test-proxy.ts";

const live = ({ moves }: TestProxy) => moves.filter((m) => m.state === "live");
const snapshot = ({ events }: TestProxy) => events.at(-1)?.snapshot;

async function openClients(tested: TestProxy, count: number): Promise<RawClient[]> {
	const clients: RawClient[] = [];
	for (let place = 1; place <= count; place++) {
		clients.push(await RawClient.opened(tested.port));
		await tested.until(() => tested.proxy.state().pools[0]?.waiting === place);
	}
	return clients;
}

describe("the queue", () => {
	test("empties in order, never more than capacity on a daemon, whichever daemon is up first", async () => {
		const tested = await startTestProxy({ capacity: 2 });
		const clients = await openClients(tested, 10);
		const byId = new Map(tested.moves.filter((m) => m.state === "waiting").map((m, place) => [m.id, place]));
		const daemons = await Promise.all([1, 2, 3].map(() => startStandIn()));
		tested.source.set(daemons.map((d) => d.port));
		await tested.until(() => live(tested).length === 6);
		expect(live(tested).map((m) => byId.get(m.id))).toEqual([0, 1, 2, 3, 4, 5]);
		expect(tested.proxy.state().pools[0]).toMatchObject({ waiting: 4 });
		for (let ended = 0; ended < 4; ended++) {
			clients[ended]?.socket.destroy();
			await tested.until(() => live(tested).length === 7 + ended);
			expect(byId.get(live(tested).at(-1)!.id)).toBe(6 + ended);
			for (const { active } of tested.proxy.state().pools[0]!.daemons) expect(active).toBeLessThanOrEqual(2);
		}
		expect(tested.proxy.state().pools[0]).toMatchObject({ waiting: 0 });
	});

	test("packs builds onto the lowest ordinals", async () => {
		const tested = await startTestProxy({ capacity: 2 });
		const daemons = await Promise.all([1, 2, 3].map(() => startStandIn()));
		tested.source.set(daemons.map((d) => d.port));
		for (let count = 1; count <= 3; count++) {
			await RawClient.opened(tested.port);
			await tested.until(() => live(tested).length === count);
		}
		expect(live(tested).map((m) => m.daemon)).toEqual(["daemon-0", "daemon-0", "daemon-1"]);
	});

	test.each([
		["FIN", (client: RawClient) => client.socket.end()],
		["RST", (client: RawClient) => client.socket.resetAndDestroy()],
	])(
		"a client that goes away with %s leaves it at once and is never sent to a daemon",
		async (_how, leave) => {
			const tested = await startTestProxy();
			const [first, second] = await openClients(tested, 2);
			leave(first!);
			await tested.until(() => tested.proxy.state().pools[0]?.waiting === 1);
			expect(tested.events.at(-1)).toMatchObject({
				type: "connection.closed",
				connection: { reason: "clientGone", daemon: null },
				snapshot: { waiting: 1 },
			});
			const daemon = await startStandIn();
			tested.source.set([daemon.port]);
			await second!.frame((f) => f.length === 6);
			expect(daemon.connections).toHaveLength(1);
		},
	);

	test("a draining daemon gets nothing new, and is unused when its last build ended", async () => {
		const tested = await startTestProxy();
		const daemons = await Promise.all([startStandIn(), startStandIn()]);
		const ports = daemons.map((d) => d.port);
		tested.source.set(ports);
		const first = await RawClient.opened(tested.port);
		await tested.until(() => live(tested).length === 1);
		tested.source.set(ports, [0]);
		let unused = false;
		const whenUnused = tested.proxy.whenUnused("daemon-0").then(() => {
			unused = true;
		});
		await RawClient.opened(tested.port);
		await tested.until(() => live(tested).length === 2);
		expect(live(tested).map((m) => m.daemon)).toEqual(["daemon-0", "daemon-1"]);
		expect(unused).toBe(false);
		first.socket.destroy();
		await whenUnused;
		expect(tested.events.map((e) => e.type)).toContain("daemon.draining");
	});

	test("a connection that was silent for 30 s takes no slot, and counts again when it talks", async () => {
		const tested = await startTestProxy({ capacity: 1 });
		const daemon = await startStandIn();
		tested.source.set([daemon.port]);
		const silent = await RawClient.opened(tested.port);
		await tested.until(() => live(tested).length === 1);
		const waiting = await RawClient.opened(tested.port);
		await tested.until(() => tested.proxy.state().pools[0]?.waiting === 1);
		// Time moves only when the ACKs are in, or it would be too late for them.
		const heard = () =>
			tested.proxy.state().pools[0]!.connections.every((c) => c.bytesFromClient === openedBytes);
		await tested.until(heard);
		// Heard at the sample of second 5, silent for more than 30 s at that of second 40.
		tested.clock.advance(40_000);
		await waiting.frame((f) => f.length === 6);
		await tested.until(() => snapshot(tested)?.waiting === 0);
		expect(snapshot(tested)?.daemons[0]).toMatchObject({ active: 1, idle: 1 });
		silent.send(Buffer.from("x"));
		daemon.connections[0]?.socket.write("x");
		await tested.until(() => silent.received.at(-1) === 0x78);
		await tested.until(() => daemon.connections[0]?.received.at(-1) === 0x78);
		tested.clock.advance(5_000);
		await tested.until(() => snapshot(tested)?.daemons[0]?.active === 2);
	});
});

describe("events", () => {
	test("opened, assigned and closed each carry the whole state, in order", async () => {
		const tested = await startTestProxy();
		const daemon = await startStandIn();
		const client = await RawClient.opened(tested.port);
		await tested.until(() => tested.events.at(-1)?.type === "connection.opened");
		tested.source.set([daemon.port]);
		await tested.until(() => live(tested).length === 1);
		client.socket.end();
		await tested.until(() => tested.events.at(-1)?.type === "connection.closed");
		const [, opened, assigned, closed] = tested.events;
		expect(opened).toMatchObject({ type: "connection.opened", snapshot: { waiting: 1, daemons: [] } });
		expect(assigned).toMatchObject({
			type: "connection.assigned",
			connection: { daemon: "daemon-0" },
			snapshot: { waiting: 0, daemons: [{ name: "daemon-0", ordinal: 0, active: 1, idle: 0 }] },
		});
		expect(closed).toMatchObject({
			type: "connection.closed",
			connection: { daemon: "daemon-0", reason: "clientClosed", bytesFromDaemon: 15 },
			snapshot: { waiting: 0, daemons: [{ active: 0 }] },
		});
		expect([opened, assigned, closed].map((e) => e?.snapshot.sequence)).toEqual([2, 3, 4]);
	});

	test("the state is repeated every 5 s, and when a proxy stops it says so", async () => {
		const tested = await startTestProxy();
		await tested.until(() => tested.events.length === 1);
		tested.clock.advance(15_000);
		await tested.until(() => tested.events.length === 4);
		await tested.proxy.drain();
		await tested.until(() => tested.events.at(-1)?.type === "proxy.stopped");
		expect(tested.clock.pending).toBe(0);
	});
});
