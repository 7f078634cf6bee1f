import { describe, expect, test } from "vitest";
import { ManualBus } from "../../test/helpers/manual-bus.ts";
import { ManualClock } from "../../test/helpers/manual-clock.ts";
import { type EventParts, poolEvent } from "../../test/helpers/pool-event.ts";
import { Peers } from "./peers.ts";

const leaseMs = 15_000;

function setup() {
	const bus = new ManualBus();
	const clock = new ManualClock();
	let changes = 0;
	const pool = { namespace: "default", pool: "default" };
	const peers = new Peers({ proxy: "self", incarnation: 1 }, pool, bus, clock, () => changes++);
	const say = (parts: EventParts) => bus.publish(poolEvent(parts));
	return { bus, clock, peers, say, changes: () => changes };
}

describe("peers", () => {
	test("the builds of all other proxies on a daemon are added up", () => {
		const { peers, say, changes } = setup();
		say({ proxy: "a", busy: [2, 1] });
		say({ proxy: "b", busy: [1] });
		say({ proxy: "self", busy: [9] });
		expect([0, 1, 2].map((n) => peers.buildsOn(`daemon-${n}`))).toEqual([3, 1, 0]);
		expect(changes()).toBe(2);
	});

	test("the newest word counts, whatever comes after it", () => {
		const { peers, say, changes } = setup();
		say({ proxy: "a", sequence: 5, busy: [2] });
		say({ proxy: "a", sequence: 4, busy: [7] });
		expect(peers.buildsOn("daemon-0")).toBe(2);
		say({ proxy: "a", incarnation: 2, sequence: 0, busy: [1] });
		say({ proxy: "a", sequence: 9, busy: [7] });
		expect(peers.buildsOn("daemon-0")).toBe(1);
		expect(changes()).toBe(2);
	});

	test("two processes with one id both count, as soon as no message can be a late one of a start before", () => {
		const { peers, say, clock } = setup();
		say({ proxy: "a", incarnation: 1, sequence: 0, busy: [2] });
		say({ proxy: "a", incarnation: 2, sequence: 0, busy: [1] });
		clock.advance(5_000);
		say({ proxy: "a", incarnation: 1, sequence: 1, busy: [2] });
		expect(peers.buildsOn("daemon-0")).toBe(1);
		clock.advance(1);
		say({ proxy: "a", incarnation: 1, sequence: 2, busy: [2] });
		say({ proxy: "a", incarnation: 2, sequence: 1, busy: [1] });
		expect(peers.buildsOn("daemon-0")).toBe(3);
		say({ proxy: "a", incarnation: 1, sequence: 3, type: "proxy.stopped" });
		expect(peers.buildsOn("daemon-0")).toBe(1);
	});

	test("a twin of our own counts too: one that is newer at once, an older one when it cannot be what we were before", () => {
		const { peers, say, clock } = setup();
		say({ proxy: "self", incarnation: 1, sequence: 9, busy: [7] });
		say({ proxy: "self", incarnation: 0, sequence: 9, busy: [3] });
		expect(peers.buildsOn("daemon-0")).toBe(0);
		say({ proxy: "self", incarnation: 2, sequence: 0, busy: [1] });
		expect(peers.buildsOn("daemon-0")).toBe(1);
		clock.advance(5_001);
		say({ proxy: "self", incarnation: 0, sequence: 10, busy: [3] });
		expect(peers.buildsOn("daemon-0")).toBe(4);
	});

	test("who says goodbye is forgotten at once, who is silent after a lease", () => {
		const { peers, say, clock } = setup();
		say({ proxy: "a", busy: [1] });
		say({ proxy: "b", busy: [2] });
		say({ proxy: "a", type: "proxy.stopped", sequence: 1 });
		expect(peers.buildsOn("daemon-0")).toBe(2);
		clock.advance(leaseMs);
		expect(peers.forgetSilent()).toBe(false);
		clock.advance(1);
		expect(peers.forgetSilent()).toBe(true);
		expect(peers.buildsOn("daemon-0")).toBe(0);
	});

	test("while the bus is away nobody is forgotten; when it is back, all are asked and have a lease to answer", () => {
		const { peers, say, clock, bus } = setup();
		say({ proxy: "a", busy: [1] });
		bus.become({ t: "disconnected", reason: "gone" });
		clock.advance(10 * leaseMs);
		expect(peers.forgetSilent()).toBe(false);
		const { asked } = bus;
		bus.become({ t: "connected" });
		expect(bus.asked).toBe(asked + 1);
		clock.advance(leaseMs);
		expect(peers.forgetSilent()).toBe(false);
		expect(peers.buildsOn("daemon-0")).toBe(1);
		clock.advance(1);
		expect(peers.forgetSilent()).toBe(true);
	});

	test("somebody who invents proxies is not kept beyond a bound", () => {
		const { peers, say, changes } = setup();
		for (let n = 0; n < 1_000; n++) say({ proxy: `p${n}`, busy: [1] });
		expect(peers.buildsOn("daemon-0")).toBe(100);
		expect(changes()).toBe(100);
	});
});
