// Several proxies before the same daemons.
import { expect, test } from "vitest";
import { MemoryBus } from "../../events/memory-bus.ts";
import { ManualClock } from "../helpers/manual-clock.ts";
import { RawClient } from "../helpers/raw-client.ts";
import { startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy, type TestProxy } from "../helpers/test-proxy.ts";

/** The daemons that took a proxy's builds, in order. */
const taken = ({ moves }: TestProxy) =>
	moves.filter(({ state }) => state === "live").map(({ daemon }) => daemon);

test("a place that another proxy's build has is not given away, and is free when that build ends", async () => {
	const bus = new MemoryBus();
	const first = await startTestProxy({ id: "first", capacity: 1, bus });
	const second = await startTestProxy({ id: "second", capacity: 1, bus });
	const daemons = [await startStandIn(), await startStandIn()];
	for (const { source } of [first, second]) source.set(daemons.map(({ port }) => port));

	const build = await RawClient.opened(first.port);
	await first.until(() => taken(first).length === 1);
	await RawClient.opened(second.port);
	await second.until(() => taken(second).length === 1);
	expect([...taken(first), ...taken(second)]).toEqual(["daemon-0", "daemon-1"]);

	await RawClient.opened(second.port);
	await second.until(() => second.proxy.state().pools[0]?.waiting === 1);
	build.socket.end();
	await second.until(() => taken(second).length === 2);
	expect(taken(second)).toEqual(["daemon-1", "daemon-0"]);
});

test("a proxy that starts later knows what the others have, and what goes with one that stops", async () => {
	const bus = new MemoryBus();
	const first = await startTestProxy({ id: "first", capacity: 1, bus });
	const daemon = await startStandIn();
	first.source.set([daemon.port]);
	await RawClient.opened(first.port);
	await first.until(() => taken(first).length === 1);

	const late = await startTestProxy({ id: "late", capacity: 1, bus });
	late.source.set([daemon.port]);
	await RawClient.opened(late.port);
	await late.until(() => late.proxy.state().pools[0]?.waiting === 1);
	await first.proxy.close();
	await late.until(() => taken(late).length === 1);
});

test("two proxies with one id do not fill a daemon twice", async () => {
	const bus = new MemoryBus();
	const first = await startTestProxy({ id: "twin", capacity: 1, bus });
	// It started a millisecond later.
	const clock = new ManualClock();
	clock.advance(1);
	const second = await startTestProxy({ id: "twin", capacity: 1, bus, clock });
	const daemons = [await startStandIn(), await startStandIn()];
	for (const { source } of [first, second]) source.set(daemons.map(({ port }) => port));
	await RawClient.opened(second.port);
	await second.until(() => taken(second).length === 1);
	await RawClient.opened(first.port);
	await first.until(() => taken(first).length === 1);
	expect([...taken(second), ...taken(first)]).toEqual(["daemon-0", "daemon-1"]);
});
