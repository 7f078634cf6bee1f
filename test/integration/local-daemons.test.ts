import { readdirSync, readFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { LocalDaemons } from "../../local/daemons.ts";
import { chooseKind } from "../../local/kinds/choose.ts";
import type { DaemonObservation } from "../../local/observation.ts";
import { childrenOf } from "../../local/processes.ts";
import { openStateDirectory } from "../../local/state-directory.ts";
import { build, buildctl, contextRunning, temporaryFolder, until } from "../helpers/local-machine.ts";
import { processesWith } from "../helpers/processes.ts";

interface Pool {
	readonly daemons: LocalDaemons;
	readonly observed: DaemonObservation[];
	readonly stateDir: string;
	address(ordinal: number): string;
	/** The pid of buildkitd itself. */
	pid(ordinal: number): number;
	/** Resolves once the daemon answers. */
	answers(ordinal: number): Promise<void>;
}

/** Real buildkitd processes, without a proxy: what they are used for is up to the test. */
async function startPool(
	options: { stopGraceMs?: number; whenUnused?: (name: string) => Promise<void> } = {},
): Promise<Pool> {
	const state = openStateDirectory(temporaryFolder(), 3);
	const { kind } = await chooseKind("buildkitd", state, 3);
	const daemons = new LocalDaemons({
		kind,
		clock: systemClock,
		wakeDelayMs: 0,
		stopGraceMs: options.stopGraceMs ?? 10_000,
		whenUnused: options.whenUnused ?? (() => Promise.resolve()),
	});
	const observed: DaemonObservation[] = [];
	daemons.onObservation((observation) => observed.push(observation));
	onTestFinished(async () => {
		await daemons.kill();
		expect(processesWith(state.path)).toEqual([]);
		expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(state.path);
	});
	const address = (ordinal: number) => `unix://${state.socket(ordinal)}`;
	return {
		daemons,
		observed,
		stateDir: state.path,
		address,
		pid(ordinal) {
			// Two have it in their command lines: unshare, and its child.
			const both = processesWith(address(ordinal));
			return both.flatMap(childrenOf).find((pid) => both.includes(pid))!;
		},
		async answers(ordinal) {
			while ((await buildctl(address(ordinal), "debug", "workers").ended).code !== 0);
		},
	};
}

const names = ({ daemons }: Pool) => daemons.daemons.map(({ name }) => name);

test("0 -> 2 -> 1 -> 0: daemons answer while they are wanted, and are gone after", async () => {
	const pool = await startPool();
	pool.daemons.scale(2);
	await Promise.all([pool.answers(0), pool.answers(1)]);
	expect(names(pool)).toEqual(["buildkitd-0", "buildkitd-1"]);
	pool.daemons.scale(1);
	await until(() => names(pool).length === 1);
	expect(processesWith(pool.address(1))).toEqual([]);
	await pool.answers(0);
	pool.daemons.scale(0);
	await until(() => names(pool).length === 0);
	expect(processesWith(pool.stateDir)).toEqual([]);
	expect(pool.observed.filter(({ t }) => t === "daemonFailed")).toEqual([]);
});

test("a daemon that is killed takes its containers along, and its successor builds", async () => {
	const pool = await startPool();
	pool.daemons.scale(1);
	await pool.answers(0);
	const victim = build(pool.address(0), contextRunning("sleep", "271828"));
	await until(() => processesWith("busybox sleep 271828").length > 0);
	process.kill(pool.pid(0), "SIGKILL");
	expect(await victim.ended).toMatchObject({ code: 1 });
	await until(() => pool.observed.at(-1)?.t === "daemonFailed");
	expect(processesWith("busybox sleep 271828")).toEqual([]);
	expect(pool.observed.at(-1)).toMatchObject({ daemon: "buildkitd-0", retryMs: 1_000 });
	await pool.answers(0);
	expect(await build(pool.address(0), contextRunning("true")).ended).toMatchObject({ code: 0 });
});

test("a daemon that drains keeps its build, and goes after it", async () => {
	let unused: () => void = () => {};
	const pool = await startPool({
		whenUnused: () =>
			new Promise((resolve) => {
				unused = resolve;
			}),
	});
	pool.daemons.scale(1);
	await pool.answers(0);
	const client = build(pool.address(0), contextRunning("sleep", "0.5"));
	pool.daemons.scale(0);
	expect(pool.daemons.daemons).toMatchObject([{ name: "buildkitd-0", draining: true }]);
	expect(await client.ended).toMatchObject({ code: 0 });
	expect(names(pool)).toEqual(["buildkitd-0"]);
	unused();
	await until(() => names(pool).length === 0);
});

test("stop lets buildkitd finish its builds within the grace", async () => {
	const pool = await startPool();
	pool.daemons.scale(1);
	await pool.answers(0);
	const client = build(pool.address(0), contextRunning("sleep", "1.14142"));
	await until(() => processesWith("busybox sleep 1.14142").length > 0);
	await pool.daemons.stop();
	expect(await client.ended).toMatchObject({ code: 0 });
});

test("after the grace nothing is left of a build that goes on", async () => {
	const pool = await startPool({ stopGraceMs: 200 });
	pool.daemons.scale(1);
	await pool.answers(0);
	build(pool.address(0), contextRunning("sleep", "161803"));
	await until(() => processesWith("busybox sleep 161803").length > 0);
	await pool.daemons.stop();
	expect(processesWith("busybox sleep 161803")).toEqual([]);
	expect(processesWith(pool.stateDir)).toEqual([]);
});

test("killed at any moment of its start, nothing is left", async () => {
	for (const ms of [0, 1, 2, 3, 5, 8, 13, 21, 34, 55]) {
		const pool = await startPool();
		pool.daemons.scale(2);
		await new Promise((resolve) => setTimeout(resolve, ms));
		await (ms % 2 === 0 ? pool.daemons.kill() : pool.daemons.stop());
		expect(processesWith(pool.stateDir)).toEqual([]);
		expect(readdirSync(`${pool.stateDir}/pids`)).toEqual([]);
	}
});
