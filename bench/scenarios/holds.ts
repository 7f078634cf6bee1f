import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Cleanup } from "../../test/helpers/cleanup.ts";
import { freePort } from "../../test/helpers/free-port.ts";
import { startNatsServer } from "../../test/helpers/nats-server.ts";
import { setCoresApart } from "../cores.ts";
import { cpuSeconds } from "../cpu-time.ts";
import { type Program, startProgram } from "../program.ts";
import { scalerTrees, type Tree } from "../routes/scaler-proxy.ts";
import { median } from "../stats.ts";
import { table } from "../table.ts";
import { type LoopDelay, startWatchedProxy } from "../watched-proxy.ts";
import type { Scenario } from "./scenario.ts";

const maxGrowthMb = 150;
const maxReleaseSeconds = 2;
const maxDelayMs = 50;

const daemonCount = 4;
/** Files of the proxy beside the sockets of clients that stay: connects under way, its log, NATS. */
const otherFiles = 500;
/** With daemons still away: heartbeats go out and daemons are tried. */
const holdMs = 6_000;
/** With everybody served. */
const afterMs = 2_000;

/** A crowd that waits for daemons to start, and is then served all at once. */
export const holds: Scenario = async (options, cleanup) => {
	const { connections = 10_000, runs = 1 } = options;
	const core = setCoresApart(cleanup);
	const staying = mostThatStay(connections);
	const trees = scalerTrees(options.beside);
	const results = new Map(trees.map((tree) => [tree, [] as Held[]]));
	for (let run = 0; run < runs; run++) {
		for (const [tree, samples] of results)
			samples.push(await hold(cleanup, tree, { connections, staying, core }));
	}
	const columns = [...results].map(([{ name }, samples]) => ({
		name,
		growth: samples.map(({ growthMb }) => growthMb),
		arrive: samples.map(({ arriveSeconds }) => arriveSeconds),
		release: samples.map(({ releaseSeconds }) => releaseSeconds),
		arriveCpu: samples.map((sample) => sample.arriveCpu),
		releaseCpu: samples.map((sample) => sample.releaseCpu),
		phases: samples.map(({ phases }) => phases),
	}));
	const rows = columns.map(({ name, growth, arrive, arriveCpu, release, releaseCpu, phases }) => [
		name,
		`${growth.length}`,
		median(growth).toFixed(1),
		((median(growth) * 1000) / connections).toFixed(1),
		...[arrive, arriveCpu, release, releaseCpu].map(median).map((seconds) => seconds.toFixed(2)),
		...phaseNames.map((phase) => {
			const delays = phases.map((of) => of[phase]);
			const worst = (of: (delay: LoopDelay) => number) => Math.max(...delays.map(of)).toFixed(0);
			return `${worst(({ p99Ms }) => p99Ms)}/${worst(({ maxMs }) => maxMs)}`;
		}),
	]);
	process.stdout.write(
		`holds: ${connections} clients arrive, wait, and are served when ${daemonCount} daemons come up\n`,
	);
	const header = ["proxy", "n", "growth MB", "KB each", "arrive s", "cpu s", "release s", "cpu s"];
	process.stdout.write(table([...header, ...phaseNames.map((phase) => `${phase} ms`)], rows));
	process.stdout.write(
		"growth: of resident memory; last columns: delay of the event loop, p99/max, worst run\n",
	);
	const [ours] = columns;
	if (ours === undefined) return [];
	const worstDelay = Math.max(...ours.phases.flatMap((of) => phaseNames.map((phase) => of[phase].p99Ms)));
	return [
		{ what: "holds, growth of resident memory, in MB", value: median(ours.growth), atMost: maxGrowthMb },
		{
			what: "holds, daemons up to the last client served, in s",
			value: median(ours.release),
			atMost: maxReleaseSeconds,
		},
		{ what: "holds, event loop delay, p99 of the worst phase, in ms", value: worstDelay, atMost: maxDelayMs },
	];
};

const phaseNames = ["arriving", "waiting", "released"] as const;

interface Held {
	readonly growthMb: number;
	readonly arriveSeconds: number;
	readonly releaseSeconds: number;
	/** Seconds of the proxy's CPU. */
	readonly arriveCpu: number;
	readonly releaseCpu: number;
	readonly phases: Readonly<Record<(typeof phaseNames)[number], LoopDelay>>;
}

interface Crowd {
	readonly connections: number;
	/** How many of them stay when they are served. */
	readonly staying: number;
	readonly core: number | undefined;
}

async function hold(outer: Cleanup, tree: Tree, { connections, staying, core }: Crowd): Promise<Held> {
	const cleanup = outer.nested();
	try {
		const nats = await startNatsServer();
		cleanup.add(() => nats.kill());
		const ports: number[] = [];
		while (ports.length < daemonCount) ports.push(await freePort());
		const proxy = await startWatchedProxy(cleanup, tree, {
			flags: [
				...["--daemons", ports.map((port) => `127.0.0.1:${port}`).join(","), "--nats", nats.url],
				...["--capacity", `${Math.ceil(connections / daemonCount)}`],
			],
			core,
		});
		const clients = startProgram(cleanup, "hold-clients");
		const daemons = startProgram(cleanup, "hold-daemons");
		await sleep(1_000);
		const before = proxy.rss();
		await proxy.loopDelay();
		const used = cpuMeter(proxy.pid);

		const { seconds: arriveSeconds } = await clients.ask(z.object({ seconds: z.number() }), {
			what: "arrive",
			port: proxy.port,
			connections,
			staying,
		});
		const arriving = await proxy.loopDelay();
		const arriveCpu = used();
		await sleep(holdMs);
		const growthMb = (proxy.rss() - before) / 1e6;
		const waiting = await proxy.loopDelay();

		used();
		const upAt = await comeUp(daemons, ports);
		const { lastAt } = await clients.ask(z.object({ lastAt: z.number() }), { what: "served" });
		const releaseCpu = used();
		await sleep(afterMs);
		const released = await proxy.loopDelay();
		return {
			growthMb,
			arriveSeconds,
			arriveCpu,
			releaseCpu,
			releaseSeconds: (lastAt - upAt) / 1000,
			phases: { arriving, waiting, released },
		};
	} finally {
		await cleanup.run();
	}
}

/** A client that was served is two sockets of the proxy: as many may stay as it can have files. */
function mostThatStay(connections: number): number {
	// Node raises its own limit to the hard one (proc_pid_limits(5): soft, then hard).
	const [, hard] = /^Max open files +\S+ +(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
	const limit = hard === "unlimited" ? Number.POSITIVE_INFINITY : Number(hard);
	const staying = limit - connections - otherFiles;
	if (staying < 0)
		throw new Error(`${connections} clients are more than a process here may have files: ${hard}`);
	return Math.min(connections, staying);
}

/** Tells the CPU seconds that a process has used since the last call. */
function cpuMeter(pid: number): () => number {
	let last = cpuSeconds(pid);
	return () => {
		const now = cpuSeconds(pid);
		const used = now - last;
		last = now;
		return used;
	};
}

/** Starts the daemons; resolves with when they listened. */
async function comeUp(daemons: Program, ports: readonly number[]): Promise<number> {
	const { at } = await daemons.ask(z.object({ at: z.number() }), { ports });
	return at;
}
