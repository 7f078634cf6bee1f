import { describe, expect, test } from "vitest";
import { Ledger } from "../../scaler/ledger.ts";
import { freePort } from "../helpers/free-port.ts";
import { RawClient } from "../helpers/raw-client.ts";
import { startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy, TestSource, testPool } from "../helpers/test-proxy.ts";

/** One build on a daemon of the first pool. */
async function startWithBuild() {
	const test = await startTestProxy();
	const daemon = await startStandIn();
	test.source.set([daemon.port]);
	const client = await RawClient.opened(test.port);
	await client.frame((f) => f.length === 6);
	await test.until(() => test.moves.at(-1)?.state === "live");
	return { ...test, daemon, client };
}

const states = (proxy: Awaited<ReturnType<typeof startTestProxy>>["proxy"]) =>
	proxy.state().pools.map(({ pool, connections }) => [pool, connections.map(({ state }) => state)]);

describe("pools that change while a build runs", () => {
	test("one is added, on a port of its own", async () => {
		const { proxy, pool, client, moves, until } = await startWithBuild();
		const added = testPool({ name: "added", maxWaitMs: 1 });
		await proxy.apply([pool, added]);
		await RawClient.opened(proxy.addressOf(added).port);
		await until(() => moves.at(-1)?.state === "waiting");
		expect(states(proxy)).toEqual([
			["default", ["live"]],
			["added", ["waiting"]],
		]);
		expect(client.socket.destroyed).toBe(false);
	});

	test("one gets another capacity, other daemons and another port", async () => {
		const { proxy, pool, client, port, moves, until } = await startWithBuild();
		const source = new TestSource();
		const other = await startStandIn();
		source.set([other.port]);
		const changed = { ...pool, capacity: 7, source, listen: { host: "127.0.0.1", port: await freePort() } };
		await proxy.apply([changed]);
		await expect(RawClient.connect(port)).rejects.toThrow(/ECONNREFUSED/);
		const next = await RawClient.opened(proxy.addressOf(changed).port);
		await next.frame((f) => f.length === 6);
		await until(() => moves.at(-1)?.state === "live");
		expect(other.connections.length).toBe(1);
		expect(states(proxy)).toEqual([["default", ["live", "live"]]]);
		expect(proxy.state().pools[0]?.capacity).toBe(7);
		client.socket.end();
		await until(() => moves.at(-1)?.state === "closed");
		expect(moves.at(-1)?.reason).toBe("clientClosed");
	});

	test("one is taken out: no new clients, its build goes on to its end, then it says goodbye", async () => {
		const { proxy, client, port, events, until } = await startWithBuild();
		await proxy.apply([testPool({ name: "other" })]);
		await expect(RawClient.connect(port)).rejects.toThrow(/ECONNREFUSED/);
		expect(states(proxy)).toEqual([
			["other", []],
			["default", ["live"]],
		]);
		client.socket.end();
		await until(() => events.some(({ type, pool }) => type === "proxy.stopped" && pool === "default"));
		expect(states(proxy)).toEqual([["other", []]]);
	});

	test("one is taken out and comes back before its build is over: it was never away", async () => {
		const { proxy, pool, client, events, moves, until } = await startWithBuild();
		await proxy.apply([testPool({ name: "other" })]);
		await proxy.apply([pool]);
		const again = await RawClient.opened(proxy.addressOf(pool).port);
		await again.frame((f) => f.length === 6);
		client.socket.end();
		again.socket.end();
		await until(() => moves.filter(({ state }) => state === "closed").length === 2);
		await until(() => events.some(({ type, pool }) => type === "proxy.stopped" && pool === "other"));
		expect(states(proxy)).toEqual([["default", []]]);
		expect(events.some(({ type, pool }) => type === "proxy.stopped" && pool === "default")).toBe(false);
	});

	test("one is taken out, says goodbye and comes back: scalers hear it at once", async () => {
		const { proxy, pool, client, clock, events, moves, until } = await startWithBuild();
		await proxy.apply([testPool({ name: "other" })]);
		client.socket.end();
		await until(() => events.some(({ type }) => type === "proxy.stopped"));
		clock.advance(1);
		await proxy.apply([pool]);
		await RawClient.opened(proxy.addressOf(pool).port);
		await until(() => moves.at(-1)?.state === "waiting");
		await until(() => events.at(-1)?.type === "connection.opened");
		const ledger = new Ledger();
		expect(events.map((event) => ledger.record(event, 0))).toEqual(events.map(() => "applied"));
	});

	test("a change that cannot be made changes nothing", async () => {
		const { proxy, pool, port, client } = await startWithBuild();
		const files = { cert: "/nowhere/cert.pem", key: "/nowhere/key.pem" };
		const broken = testPool({
			name: "b",
			tls: { t: "terminate", files, clientAuth: "none", allowClients: [] },
		});
		const changed = { ...pool, capacity: 9 };
		await expect(proxy.apply([changed, broken])).rejects.toThrowError(/TLS: ENOENT.*\/nowhere\/cert.pem/);
		await expect(
			proxy.apply([changed, testPool({ name: "c", listen: { host: "127.0.0.1", port } })]),
		).rejects.toThrowError(/the address is in use/);
		expect(states(proxy)).toEqual([["default", ["live"]]]);
		expect(proxy.state().pools[0]?.capacity).toBe(4);
		expect(client.socket.destroyed).toBe(false);
	});
});
