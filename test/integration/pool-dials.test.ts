// Which daemons are connected to, and how many at once.
import { expect, test } from "vitest";
import { startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestPool } from "../helpers/test-pool.ts";

test("a crowd is connected in portions, so that nobody else waits for it", async () => {
	const tested = startTestPool({ capacity: 1_000 });
	const daemon = await startStandIn();
	tested.source.set([daemon.port]);
	tested.join();
	await tested.until(() => tested.served().length === 1);
	for (let n = 0; n < 200; n++) tested.join();
	const dials = tested.pool.daemons.get("daemon-0")?.dials;
	expect(dials?.size).toBe(32);
	await tested.until(() => {
		expect(dials?.size).toBeLessThanOrEqual(32);
		return tested.served().length === 201;
	});
	// Those that are slow do not count.
	for (let n = 0; n < 100; n++) tested.join();
	tested.clock.advance(250);
	expect(dials?.size).toBe(64);
	await tested.until(() => tested.served().length === 301);
});

test("a daemon that answers others but is slow to accept is not asked again while another one has room", async () => {
	const [slow, other] = await Promise.all([startStandIn(), startStandIn()]);
	const tested = startTestPool({ capacity: 4 });
	tested.source.set([slow.port, other.port]);
	tested.join();
	await tested.until(() => tested.served().length === 1);
	tested.join();
	// Within this turn of the event loop nothing can be accepted.
	tested.clock.advance(250);
	await tested.until(() => slow.connections.length + other.connections.length === 3);
	expect([slow.connections.length, other.connections.length]).toEqual([2, 1]);
});
