import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ManualClock } from "../test/helpers/manual-clock.ts";
import { LocalDaemons } from "./daemons.ts";
import type { DaemonExit, DaemonKind, DaemonProcess } from "./kinds/kind.ts";
import type { DaemonObservation } from "./observation.ts";

class FakeProcess implements DaemonProcess {
	readonly ordinal: number;
	readonly signals: string[] = [];
	readonly exit: Promise<DaemonExit>;
	#resolve: (exit: DaemonExit) => void = () => {};

	constructor(ordinal: number) {
		this.ordinal = ordinal;
		this.exit = new Promise((resolve) => {
			this.#resolve = resolve;
		});
	}

	terminate(): void {
		this.signals.push("SIGTERM");
	}

	kill(): void {
		this.signals.push("SIGKILL");
	}

	/** Ends, and lets everybody hear of it. */
	async ends(how = "exit code 0"): Promise<void> {
		this.#resolve({ how, lastLines: [] });
		await settled();
	}
}

/** A pool of fake processes whose builds the test ends. */
class World {
	readonly clock = new ManualClock();
	readonly processes: FakeProcess[] = [];
	readonly observed: DaemonObservation[] = [];
	readonly listings: string[] = [];
	readonly daemons: LocalDaemons;
	spawnError: Error | undefined;
	readonly #unused = new Map<string, () => void>();

	constructor(wakeDelayMs = 0) {
		const kind: DaemonKind = {
			t: "simulated",
			describe: () => "fakes",
			address: (ordinal) => ({ t: "unix", path: `${ordinal}.sock` }),
			spawn: (ordinal) => {
				if (this.spawnError !== undefined) throw this.spawnError;
				const process = new FakeProcess(ordinal);
				this.processes.push(process);
				return process;
			},
		};
		this.daemons = new LocalDaemons({
			kind,
			clock: this.clock,
			wakeDelayMs,
			stopGraceMs: 10_000,
			whenUnused: (name) => new Promise((resolve) => this.#unused.set(name, resolve)),
		});
		this.daemons.onChange(() => {
			const listing = this.listing;
			if (listing !== this.listings.at(-1)) this.listings.push(listing);
		});
		this.daemons.onObservation((observation) => this.observed.push(observation));
	}

	/** "0 1!" for daemon 0 and a draining daemon 1. */
	get listing(): string {
		return this.daemons.daemons.map(({ ordinal, draining }) => `${ordinal}${draining ? "!" : ""}`).join(" ");
	}

	scale(replicas: number): void {
		this.daemons.scale(replicas);
		this.clock.advance(0);
	}

	latest(ordinal: number): FakeProcess {
		return this.processes.findLast((process) => process.ordinal === ordinal)!;
	}

	async buildsEnd(ordinal: number): Promise<void> {
		this.#unused.get(`buildkitd-${ordinal}`)!();
		await settled();
	}
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("up", () => {
	test("starts every missing ordinal at once and lists it with its address", () => {
		const world = new World();
		world.scale(3);
		expect(world.processes.map(({ ordinal }) => ordinal)).toEqual([0, 1, 2]);
		expect(world.daemons.daemons[1]).toEqual({
			name: "buildkitd-1",
			ordinal: 1,
			address: { t: "unix", path: "1.sock" },
			draining: false,
		});
	});

	test("after the wake delay, and not listed before", () => {
		const world = new World(60_000);
		world.scale(2);
		world.clock.advance(59_999);
		expect(world.listing).toBe("");
		world.clock.advance(1);
		expect(world.listing).toBe("0 1");
	});

	test("scaled down within the wake delay, nothing is ever started", () => {
		const world = new World(60_000);
		world.scale(2);
		world.scale(0);
		expect(world.clock.pending).toBe(0);
		world.clock.advance(120_000);
		expect(world.processes).toEqual([]);
	});
});

describe("down", () => {
	test("the highest ordinals drain, and end only when their builds have", async () => {
		const world = new World();
		world.scale(3);
		world.scale(1);
		expect(world.listing).toBe("0 1! 2!");
		await world.buildsEnd(2);
		expect(world.processes.map(({ signals }) => signals)).toEqual([[], [], ["SIGTERM"]]);
		expect(world.listing).toBe("0 1! 2!");
		await world.latest(2).ends();
		expect(world.listing).toBe("0 1!");
		await world.buildsEnd(1);
		await world.latest(1).ends();
		expect(world.listing).toBe("0");
		expect(world.observed.at(-1)).toMatchObject({ t: "daemonStopped", daemon: "buildkitd-1", left: 1 });
	});

	test("wanted again while draining: kept, and the end of its builds no longer matters", async () => {
		const world = new World();
		world.scale(2);
		world.scale(0);
		world.scale(2);
		expect(world.listing).toBe("0 1");
		await world.buildsEnd(1);
		expect(world.latest(1).signals).toEqual([]);
		expect(world.processes).toHaveLength(2);
	});

	test("wanted again after SIGTERM: goes first, then the next one comes", async () => {
		const world = new World();
		world.scale(1);
		world.scale(0);
		await world.buildsEnd(0);
		world.scale(1);
		expect(world.processes).toHaveLength(1);
		await world.latest(0).ends();
		world.clock.advance(0);
		expect(world.processes).toHaveLength(2);
		expect(world.listing).toBe("0");
	});

	test("SIGKILL after the grace", async () => {
		const world = new World();
		world.scale(1);
		world.scale(0);
		await world.buildsEnd(0);
		world.clock.advance(9_999);
		expect(world.latest(0).signals).toEqual(["SIGTERM"]);
		world.clock.advance(1);
		expect(world.latest(0).signals).toEqual(["SIGTERM", "SIGKILL"]);
		await world.latest(0).ends("SIGKILL");
		expect(world.listing).toBe("");
		expect(world.clock.pending).toBe(0);
	});

	test("one that crashes while draining is not started again", async () => {
		const world = new World();
		world.scale(1);
		world.scale(0);
		await world.latest(0).ends("SIGSEGV");
		expect(world.observed.at(-2)).toMatchObject({ t: "daemonFailed", how: "SIGSEGV", retryMs: null });
		expect(world.listing).toBe("");
		expect(world.clock.pending).toBe(0);
	});
});

describe("a daemon that ends by itself", () => {
	test("is not listed, and comes back after 1, 2, 4, 8, 16, 30, 30 s", async () => {
		const world = new World();
		world.scale(1);
		for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
			await world.latest(0).ends("exit code 1");
			expect(world.observed.at(-1)).toMatchObject({ t: "daemonFailed", how: "exit code 1" });
			expect(world.listing).toBe("");
			world.clock.advance(seconds * 1_000 - 1);
			expect(world.listing).toBe("");
			world.clock.advance(1);
			expect(world.listing).toBe("0");
		}
	});

	test("a good run resets the backoff", async () => {
		const world = new World();
		world.scale(1);
		await world.latest(0).ends();
		world.clock.advance(1_000);
		world.clock.advance(30_001);
		await world.latest(0).ends();
		expect(world.observed.at(-1)).toMatchObject({ retryMs: 1_000 });
	});

	test("no longer wanted during the backoff: it stays away", async () => {
		const world = new World();
		world.scale(1);
		await world.latest(0).ends();
		world.scale(0);
		expect(world.clock.pending).toBe(0);
	});

	test("one that cannot be started is tried again as well", () => {
		const world = new World();
		world.spawnError = new Error("no space left on device");
		world.scale(1);
		expect(world.observed.at(-1)).toMatchObject({ how: "no space left on device", retryMs: 1_000 });
		world.spawnError = undefined;
		world.clock.advance(1_000);
		expect(world.listing).toBe("0");
	});
});

describe("stop", () => {
	test("tells all to end, resolves with the last exit, and starts nothing any more", async () => {
		const world = new World();
		world.scale(3);
		await world.latest(2).ends("exit code 1");
		let stopped = false;
		void world.daemons.stop().then(() => {
			stopped = true;
		});
		world.scale(3);
		expect(world.processes.map(({ signals }) => signals)).toEqual([["SIGTERM"], ["SIGTERM"], []]);
		await world.latest(0).ends();
		expect(stopped).toBe(false);
		await world.latest(1).ends();
		expect(stopped).toBe(true);
		expect(world.clock.pending).toBe(0);
	});

	test("kill does the same with SIGKILL, also when stop is under way", async () => {
		const world = new World();
		world.scale(1);
		const stopped = world.daemons.stop();
		const killed = world.daemons.kill();
		expect(world.latest(0).signals).toEqual(["SIGTERM", "SIGKILL"]);
		await world.latest(0).ends("SIGKILL");
		await Promise.all([stopped, killed]);
	});

	test("with nothing running it resolves at once", async () => {
		await new World().daemons.stop();
	});
});

test("law: whatever happens, the pool ends up with exactly the ordinals last asked for", async () => {
	const scale = fc.record({ t: fc.constant("scale" as const), replicas: fc.nat(4) });
	const exit = fc.record({ t: fc.constant("exit" as const), which: fc.nat() });
	const builds = fc.record({ t: fc.constant("builds" as const), which: fc.nat() });
	const time = fc.record({ t: fc.constant("time" as const), ms: fc.nat(40_000) });
	const steps = fc.array(fc.oneof(scale, exit, builds, time), { maxLength: 30 });
	await fc.assert(
		fc.asyncProperty(steps, fc.nat(100), async (script, wakeDelayMs) => {
			const world = new World(wakeDelayMs);
			const living = new Set<FakeProcess>();
			const endBuilds = async () => {
				for (const { ordinal, draining } of world.daemons.daemons) {
					if (draining) await world.buildsEnd(ordinal!);
				}
			};
			const track = () => {
				for (const process of world.processes.splice(0)) living.add(process);
				const ordinals = [...living].map(({ ordinal }) => ordinal);
				// Two daemons on one root would corrupt its cache.
				expect(new Set(ordinals).size).toBe(ordinals.length);
			};
			for (const step of script) {
				if (step.t === "scale") world.scale(step.replicas);
				if (step.t === "time") world.clock.advance(step.ms);
				if (step.t === "builds") await endBuilds();
				track();
				const victim = [...living][step.t === "exit" ? step.which % living.size : -1];
				if (victim !== undefined) {
					living.delete(victim);
					await victim.ends("exit code 1");
				}
				track();
			}
			// Everybody obeys now, and time passes.
			for (let round = 0; round < 3; round++) {
				await endBuilds();
				for (const process of living) {
					if (process.signals.length === 0) continue;
					living.delete(process);
					await process.ends();
				}
				world.clock.advance(60_000);
				track();
			}
			const wanted = Array.from({ length: world.daemons.replicas }, (_, ordinal) => ordinal);
			expect(world.listing).toBe(wanted.join(" "));
			expect([...living].map(({ ordinal }) => ordinal).sort()).toEqual(wanted);
		}),
		{ numRuns: 200 },
	);
});
