import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import net from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { createLogger } from "../../common/log.ts";
import { type Local, startLocal } from "../../local/local.ts";
import type { LocalOptions } from "../../local/local-options.ts";
import type { Observation } from "../../local/observation.ts";
import { buildxCommand } from "../helpers/build-client.ts";
import { build, buildctl, contextRunning, temporaryFolder, until } from "../helpers/local-machine.ts";
import { startNatsServer } from "../helpers/nats-server.ts";
import { processesWith } from "../helpers/processes.ts";

const anyPort = { host: "127.0.0.1", port: 0 };

function optionsFor(stateDir: string, overrides: Partial<LocalOptions> = {}): LocalOptions {
	return {
		listen: anyPort,
		admin: anyPort,
		scalerListen: anyPort,
		maxDaemons: 3,
		capacity: 2,
		balance: "pack",
		affinityBy: "identity",
		fairBy: "none",
		maxPerTenant: undefined,
		cooldownMs: 500,
		pollMs: 250,
		wakeDelayMs: 0,
		wakeOnStatus: false,
		maxWaitMs: 60_000,
		frozenAfterMs: 300_000,
		drainTimeoutMs: 60_000,
		daemon: "buildkitd",
		stateDir,
		pool: "default",
		namespace: "default",
		...overrides,
	};
}

interface Running {
	readonly local: Local;
	readonly address: string;
	readonly stateDir: string;
	readonly observed: Observation[];
	saw(check: (observation: Observation) => boolean): Promise<void>;
}

async function start(overrides: Partial<LocalOptions> = {}): Promise<Running> {
	const stateDir = temporaryFolder();
	const local = await startLocal(optionsFor(stateDir, overrides), {
		clock: systemClock,
		log: createLogger("silent"),
	});
	const observed: Observation[] = [];
	local.onObservation((observation) => observed.push(observation));
	onTestFinished(async () => {
		await local.kill();
		expect(processesWith(stateDir)).toEqual([]);
	});
	return {
		local,
		address: `tcp://127.0.0.1:${local.listening.port}`,
		stateDir,
		observed,
		saw: (check) => until(() => observed.some(check)),
	};
}

const types = (observed: readonly Observation[]) => observed.map(({ t }) => t);

/** The containers that daemon 0 started and nobody cleaned up after. */
function containers(stateDir: string): string[] {
	const executor = `${stateDir}/daemons/0/runc-overlayfs/executor`;
	const entries = readdirSync(executor, { withFileTypes: true });
	return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

describe("builds", () => {
	test("a stock client builds from zero, and after the cooldown nothing is left", async () => {
		const { address, observed, saw, stateDir } = await start();
		expect(await build(address, contextRunning("true")).ended).toMatchObject({ code: 0 });
		await saw((o) => o.t === "daemonStopped" && o.left === 0);
		expect(processesWith(stateDir)).toEqual([]);
		expect(types(observed).filter((t) => t !== "pushed")).toEqual([
			"buildWaiting",
			"eventSeen",
			"scaled",
			"daemonStarted",
			"buildAssigned",
			"buildServed",
			"buildEnded",
			"idle",
			"scaled",
			"daemonDraining",
			"daemonStopped",
		]);
		expect(observed.find(({ t }) => t === "buildWaiting")).toMatchObject({ build: 1, poolAsleep: true });
	});

	test("`buildx ls` of a sleeping pool is answered within a second, without alarm, and starts no daemon", async () => {
		const { address, observed } = await start();
		const before = performance.now();
		const ls = buildxCommand(address, "ls");
		expect(await ls.exited, ls.output).toBe(0);
		expect(performance.now() - before).toBeLessThan(1_000);
		expect(ls.output).toMatch(/pool0 .* inactive/);
		// That there is no Docker engine beside our pool is another matter.
		expect(ls.output).not.toMatch(/pool.*error|builder pool/i);
		expect(types(observed)).not.toContain("pushed");
	});

	test("a crowd gets as many daemons as it needs, and each its place", async () => {
		const { address, observed } = await start({ cooldownMs: 60_000 });
		const context = contextRunning("sleep", "1");
		const clients = [1, 2, 3, 4, 5, 6].map(() => build(address, context).ended);
		for (const client of clients) expect(await client).toMatchObject({ code: 0 });
		expect(types(observed).filter((t) => t === "daemonStarted")).toHaveLength(3);
	});

	test("the same over a real NATS", async () => {
		const nats = await startNatsServer();
		onTestFinished(() => nats.kill());
		const { address, saw } = await start({ nats: { url: nats.url, files: {} } });
		expect(await build(address, contextRunning("true")).ended).toMatchObject({ code: 0 });
		await saw((o) => o.t === "daemonStopped" && o.left === 0);
	});

	test("a simulated daemon tells a client what it is", async () => {
		const { address, local } = await start({ daemon: "simulated", cooldownMs: 60_000 });
		expect(local.kind.t).toBe("simulated");
		const workers = await buildctl(address, "debug", "workers").ended;
		expect(workers).toMatchObject({ code: 0, output: expect.stringContaining("simulated") });
		const failed = await build(address, contextRunning("true")).ended;
		expect(failed.code).not.toBe(0);
		expect(failed.output).toContain("this is a simulated daemon");
	});
});

describe("faults", () => {
	test("kill -9 of the daemon under a build: its client hears at once, the next one builds", async () => {
		const { address, saw, stateDir } = await start({ cooldownMs: 60_000 });
		const victim = build(address, contextRunning("sleep", "662607"));
		await until(() => processesWith("busybox sleep 662607").length > 0);
		for (const pid of processesWith("buildkitd", "--addr", `unix://${stateDir}`))
			process.kill(pid, "SIGKILL");
		expect(await victim.ended).toMatchObject({ code: 1 });
		await saw((o) => o.t === "daemonFailed");
		expect(processesWith("busybox sleep 662607")).toEqual([]);
		expect(await build(address, contextRunning("true")).ended).toMatchObject({ code: 0 });
	});

	test("a port in use: says so, leaves nothing, and lets go of the state directory", async () => {
		const taken = net.createServer().listen(0, "127.0.0.1");
		await once(taken, "listening");
		onTestFinished(() => void taken.close());
		const port = (taken.address() as net.AddressInfo).port;
		const stateDir = temporaryFolder();
		const deps = { clock: systemClock, log: createLogger("silent") };
		const admin = { host: "127.0.0.1", port };
		await expect(startLocal(optionsFor(stateDir, { admin }), deps)).rejects.toThrowError(
			expect.objectContaining({ code: "LISTEN_FAILED" }),
		);
		await (await startLocal(optionsFor(stateDir), deps)).kill();
	});
});

describe("stopping", () => {
	test("drain: running builds finish, waiting ones are still served, then nothing is left", async () => {
		const { local, address, saw, stateDir } = await start({ wakeDelayMs: 300 });
		const client = build(address, contextRunning("sleep", "0.5"));
		await saw((o) => o.t === "buildWaiting");
		await local.drain();
		expect(await client.ended).toMatchObject({ code: 0 });
		expect(processesWith(stateDir)).toEqual([]);
	});

	test("kill, also while draining: builds end at once, and both resolve when nothing is left", async () => {
		const { local, address, stateDir } = await start();
		const client = build(address, contextRunning("sleep", "299792"));
		await until(() => processesWith("busybox sleep 299792").length > 0);
		const drained = local.drain();
		await local.kill();
		expect(processesWith(stateDir)).toEqual([]);
		expect(processesWith("busybox sleep 299792")).toEqual([]);
		expect(containers(stateDir)).toEqual([]);
		expect(await client.ended).toMatchObject({ code: 1 });
		await drained;
	});
});

describe("after kill -9 of local itself", () => {
	/** Runs local in a process of its own, and resolves with the first line it says. */
	async function startProcess(options: LocalOptions) {
		const main = fileURLToPath(new URL("../helpers/local-main.ts", import.meta.url));
		const child = spawn(process.execPath, [main, JSON.stringify(options)], {
			stdio: ["ignore", "pipe", "inherit"],
		});
		const exited = once(child, "exit");
		onTestFinished(async () => {
			child.kill("SIGKILL");
			await exited;
		});
		const [line] = await once(createInterface({ input: child.stdout }), "line");
		return { child, exited, line: String(line) };
	}

	test("the next run on its state directory ends what was left, and builds", async () => {
		const stateDir = temporaryFolder();
		const first = await startProcess(optionsFor(stateDir));
		const address = `tcp://127.0.0.1:${first.line.split(" ")[1]}`;
		const victim = build(address, contextRunning("sleep", "137035"));
		await until(() => processesWith("busybox sleep 137035").length > 0);

		const second = await startProcess(optionsFor(stateDir));
		expect(second.line).toContain(`another buildkit-scaler local (process ${first.child.pid})`);

		expect(containers(stateDir)).toHaveLength(1);

		first.child.kill("SIGKILL");
		await Promise.all([first.exited, victim.ended]);
		expect(processesWith(stateDir)).not.toEqual([]);
		const third = await startLocal(optionsFor(stateDir), { clock: systemClock, log: createLogger("silent") });
		onTestFinished(() => third.kill());
		expect(processesWith("buildkitd", "--addr", `unix://${stateDir}`)).toEqual([]);
		expect(processesWith("busybox sleep 137035")).toEqual([]);
		expect(containers(stateDir)).toEqual([]);
		const again = build(`tcp://127.0.0.1:${third.listening.port}`, contextRunning("true"));
		expect(await again.ended).toMatchObject({ code: 0 });
	});
});
