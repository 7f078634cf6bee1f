// Daemons that accept and are of no use: how often they are tried, and what becomes of the builds.
import { describe, expect, test } from "vitest";
import { daemonSettings, type StandInDaemon, startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestPool, type TestPool } from "../helpers/test-pool.ts";

/** A daemon that closes what it accepts until `mood.closes` is false. */
async function fickle(): Promise<{ daemon: StandInDaemon; mood: { closes: boolean } }> {
	const mood = { closes: true };
	const daemon = await startStandIn((socket) => {
		if (mood.closes) socket.destroy();
		else socket.write(daemonSettings);
	});
	return { daemon, mood };
}

/** How long the daemon is left alone after each of its next failures (ms). */
async function pauses(tested: TestPool, count: number): Promise<number[]> {
	const pauses: number[] = [];
	while (pauses.length < count) {
		await tested.until(() => tested.reachability() === "avoided");
		let pause = 0;
		for (; tested.reachability() === "avoided"; pause++) tested.clock.advance(1);
		pauses.push(pause);
	}
	return pauses;
}

describe("a daemon that closes before its first byte", () => {
	test("is tried again after a pause that grows to a limit, and begins anew once it has answered", async () => {
		const { daemon, mood } = await fickle();
		const tested = startTestPool();
		tested.source.set([daemon.port]);
		const build = tested.join();
		expect(await pauses(tested, 5)).toEqual([10, 20, 40, 50, 50]);
		await pauses(tested, 94);
		// After some 5 s of that it is not just starting.
		expect(await pauses(tested, 7)).toEqual([50, 100, 200, 400, 800, 1_000, 1_000]);
		mood.closes = false;
		await tested.until(() => tested.served().length === 1);
		mood.closes = true;
		tested.join();
		expect(await pauses(tested, 2)).toEqual([10, 20]);
		build.leave();
	});

	test("loses its builds to one that has room, without a pause", async () => {
		const { daemon: bad } = await fickle();
		const good = await startStandIn();
		const tested = startTestPool({ capacity: 2 });
		tested.source.set([bad.port, good.port]);
		const wires = [tested.join(), tested.join()];
		// No time passes.
		await tested.until(() => tested.served().length === 2);
		expect(tested.served().map(({ daemon }) => daemon)).toEqual(["daemon-1", "daemon-1"]);
		expect(wires.every(({ sent }) => sent.includes(daemonSettings))).toBe(true);
		expect(bad.connections).toHaveLength(1);
	});

	test("is not hammered while the others are full, and does not cost who waits its place", async () => {
		const { daemon: bad } = await fickle();
		const good = await startStandIn();
		const tested = startTestPool({ capacity: 1 });
		tested.source.set([good.port, bad.port]);
		const busy = tested.join("busy");
		await tested.until(() => tested.served().length === 1);
		for (const identity of ["first", "second"]) tested.join(identity);
		for (let ms = 0; ms < 60_000; ms += 10) {
			tested.clock.advance(10);
			await tested.until(() => tested.reachability("daemon-1") === "avoided");
		}
		// 5 s of 50 ms, then once a second.
		expect(bad.connections.length).toBeGreaterThan(140);
		expect(bad.connections.length).toBeLessThan(180);
		busy.leave();
		await tested.until(() => tested.served().length === 2);
		expect(tested.served().at(-1)).toEqual({ identity: "first", daemon: "daemon-0" });
	});
});

describe("a daemon that accepts and then says nothing", () => {
	const firstByteMs = 30_000;

	test("keeps one build for a while, and is then left alone for as long, if another one answers", async () => {
		const mute = await startStandIn(() => {});
		const good = await startStandIn();
		const tested = startTestPool({ capacity: 1 });
		tested.source.set([good.port, mute.port]);
		const busy = tested.join("busy");
		await tested.until(() => tested.served().length === 1);
		for (const identity of ["first", "second"]) tested.join(identity);
		await tested.until(() => mute.connections.length === 1);
		tested.clock.advance(firstByteMs);
		expect(tested.reachability("daemon-1")).toBe("avoided");
		tested.clock.advance(firstByteMs - 1);
		expect(tested.reachability("daemon-1")).toBe("avoided");
		busy.leave();
		await tested.until(() => tested.served().length === 2);
		expect(tested.served().at(-1)).toEqual({ identity: "first", daemon: "daemon-0" });
		tested.clock.advance(1);
		await tested.until(() => mute.connections.length === 2);
	});

	test("is tried again at once where there is no other", async () => {
		const mute = await startStandIn(() => {});
		const tested = startTestPool();
		tested.source.set([mute.port]);
		tested.join();
		await tested.until(() => mute.connections.length === 1);
		await tested.until(() => tested.moves.at(-1)?.state === "dialing");
		tested.clock.advance(firstByteMs);
		expect(await pauses(tested, 1)).toEqual([10]);
		await tested.until(() => mute.connections.length === 2);
	});
});
