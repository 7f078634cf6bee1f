// A scaler asks the proxies to give a daemon no new builds.
import { expect, test } from "vitest";
import { drainMarkMs } from "../../events/drain-request.ts";
import { MemoryBus } from "../../events/memory-bus.ts";
import { RawClient } from "../helpers/raw-client.ts";
import { startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy, type TestProxy } from "../helpers/test-proxy.ts";

const pool = { namespace: "default", pool: "default" };

const taken = ({ moves }: TestProxy) =>
	moves.filter(({ state }) => state === "live").map(({ daemon }) => daemon);

const daemonsOf = ({ events }: TestProxy) =>
	events.at(-1)?.snapshot.daemons.map(({ name, active, draining }) => ({ name, active, draining }));

async function startTwo() {
	const bus = new MemoryBus();
	const tested = await startTestProxy({ bus });
	const daemons = [await startStandIn(), await startStandIn()];
	const ports = daemons.map(({ port }) => port);
	tested.source.set(ports);
	await RawClient.opened(tested.port);
	await tested.until(() => taken(tested).length === 1);
	const drain = (daemon: string) => bus.askToDrain({ ...pool, daemon });
	return { tested, ports, drain, bus };
}

test("the daemon keeps its build, gets no other, and the proxy confirms it at once", async () => {
	const { tested, drain } = await startTwo();
	drain("daemon-0");
	await tested.until(() => tested.events.at(-1)?.type === "daemon.draining");
	expect(daemonsOf(tested)).toEqual([
		{ name: "daemon-0", active: 1, draining: true },
		{ name: "daemon-1", active: 0, draining: false },
	]);
	await RawClient.opened(tested.port);
	await tested.until(() => taken(tested).length === 2);
	expect(taken(tested)).toEqual(["daemon-0", "daemon-1"]);
	expect(tested.proxy.state().pools[0]?.daemons[0]).toMatchObject({ active: 1, draining: true });
});

test("repeated, it lasts, without a word; not repeated, it ends, and that is said", async () => {
	const { tested, drain } = await startTwo();
	drain("daemon-0");
	await tested.until(() => daemonsOf(tested)?.[0]?.draining === true);
	tested.clock.advance(drainMarkMs - 1_000);
	const said = tested.events.filter(({ type }) => type === "daemon.draining").length;
	drain("daemon-0");
	await new Promise((resolve) => setImmediate(resolve));
	tested.clock.advance(drainMarkMs - 1_000);
	expect(tested.events.filter(({ type }) => type === "daemon.draining")).toHaveLength(said);
	expect(tested.proxy.state().pools[0]?.daemons[0]?.draining).toBe(true);
	tested.clock.advance(1_000);
	expect(tested.proxy.state().pools[0]?.daemons[0]?.draining).toBe(false);
	await tested.until(() => daemonsOf(tested)?.[0]?.draining === false);
	await RawClient.opened(tested.port);
	await tested.until(() => taken(tested).length === 2);
	expect(taken(tested)).toEqual(["daemon-0", "daemon-0"]);
});

test("who terminates already is confirmed too; the next pod of that name is another daemon", async () => {
	const { tested, ports, drain } = await startTwo();
	tested.source.set(ports, [0]);
	await tested.until(() => tested.events.at(-1)?.type === "daemon.draining");
	const before = tested.events.length;
	drain("daemon-0");
	await tested.until(() => tested.events.length > before);
	expect(tested.events.at(-1)?.type).toBe("proxy.state");
	expect(daemonsOf(tested)?.[0]).toEqual({ name: "daemon-0", active: 1, draining: true });
	tested.source.set(ports);
	expect(tested.proxy.state().pools[0]?.daemons[0]?.draining).toBe(false);
});

test("a build waits where no other daemon is, until nobody wants that one to end any more", async () => {
	const bus = new MemoryBus();
	const tested = await startTestProxy({ bus });
	const daemon = await startStandIn();
	tested.source.set([daemon.port]);
	bus.askToDrain({ ...pool, daemon: "daemon-0" });
	await RawClient.opened(tested.port);
	await tested.until(() => tested.proxy.state().pools[0]?.waiting === 1);
	expect(taken(tested)).toEqual([]);
	tested.clock.advance(drainMarkMs);
	await tested.until(() => taken(tested).length === 1);
});

test("a daemon at another address is another one", async () => {
	const { tested, drain } = await startTwo();
	drain("daemon-1");
	await tested.until(() => daemonsOf(tested)?.[1]?.draining === true);
	const moved = await startStandIn();
	tested.source.set([moved.port, moved.port]);
	expect(tested.proxy.state().pools[0]?.daemons[1]?.draining).toBe(false);
});

test("unknown daemons and other pools are no matter", async () => {
	const { tested, drain, bus } = await startTwo();
	const before = tested.events.length;
	drain("daemon-7");
	bus.askToDrain({ namespace: "default", pool: "other", daemon: "daemon-0" });
	await new Promise((resolve) => setImmediate(resolve));
	expect(tested.events).toHaveLength(before);
	expect(tested.proxy.state().pools[0]?.daemons.some(({ draining }) => draining)).toBe(false);
});
