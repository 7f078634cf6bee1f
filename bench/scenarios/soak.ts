import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { startNatsServer } from "../../test/helpers/nats-server.ts";
import { setCoresApart } from "../cores.ts";
import { startProgram } from "../program.ts";
import { scalerTrees } from "../routes/scaler-proxy.ts";
import { median } from "../stats.ts";
import { startWatchedProxy } from "../watched-proxy.ts";
import type { Scenario } from "./scenario.ts";

const defaultConnections = 1_000_000;
/** The proxy is looked at so often, each time after everybody has left. */
const samples = 40;
/** Or a run that `--seconds` ends would end before its first look. */
const mostBetweenLooks = 25_000;
/** Longer than any timer that a connection leaves behind. */
const settleMs = 6_000;
/** Far fewer than the clients at a time, so that many wait. */
const capacity = 4;

/** The last quarter beside the second one: what grows by less than this is the machine's breathing. */
const atMost = { heap: 1.05, memory: 1.1, count: 2 };

/** Very many short connections of every kind: what each of them leaves behind. */
export const soak: Scenario = async (options, cleanup) => {
	const { connections = defaultConnections, seconds } = options;
	const core = setCoresApart(cleanup);
	const [tree] = scalerTrees([]);
	if (tree === undefined) return [];
	const nats = await startNatsServer();
	cleanup.add(() => nats.kill());
	const daemon = startProgram(cleanup, "soak-daemon");
	const { port: daemonPort } = await daemon.ask(z.object({ port: z.number() }));
	const proxy = await startWatchedProxy(cleanup, tree, {
		flags: ["--daemons", `127.0.0.1:${daemonPort}`, "--nats", nats.url, "--capacity", `${capacity}`],
		core,
	});
	const clients = startProgram(cleanup, "soak-clients");
	const counts = z.object({ counts: z.record(z.string(), z.number()) });

	const look = async () => {
		await sleep(settleMs);
		const { rss, heapUsed, external, timers, handles } = await proxy.memory();
		return { rss, heap: heapUsed, external, timers, handles, files: proxy.openFiles() };
	};
	process.stdout.write(
		`soak: ${connections} short connections; what the proxy holds when all of them have left\n`,
	);
	process.stdout.write(
		line(["connections", "1/s", "RSS MB", "heap MB", "external MB", "timers", "handles", "files"]),
	);
	const looks: Awaited<ReturnType<typeof look>>[] = [];
	const startedAt = performance.now();
	const kinds = new Map<string, number>();
	for (let done = 0; done < connections && performance.now() - startedAt < seconds * 1000; ) {
		const some = Math.min(Math.ceil(connections / samples), mostBetweenLooks, connections - done);
		const from = performance.now();
		const answer = await clients.ask(counts, { port: proxy.port, connections: some });
		const rate = (some / (performance.now() - from)) * 1000;
		for (const [kind, count] of Object.entries(answer.counts))
			kinds.set(kind, (kinds.get(kind) ?? 0) + count);
		done += some;
		const seen = await look();
		looks.push(seen);
		const megabytes = [seen.rss, seen.heap, seen.external].map((bytes) => (bytes / 1e6).toFixed(2));
		process.stdout.write(
			line([done, rate.toFixed(0), ...megabytes, seen.timers, seen.handles, seen.files].map(String)),
		);
	}
	process.stdout.write(`${[...kinds].map(([kind, count]) => `${kind}: ${count}`).join(", ")}\n`);

	const quarter = Math.floor(looks.length / 4);
	if (quarter === 0) throw new Error("too few samples to compare: take more connections or seconds");
	const early = looks.slice(quarter, 2 * quarter);
	const late = looks.slice(-quarter);
	const medians = (of: (seen: (typeof looks)[number]) => number) =>
		[median(early.map(of)), median(late.map(of))] as const;
	const growth = (of: Parameters<typeof medians>[0]) => {
		const [before, after] = medians(of);
		return after / before;
	};
	const increase = (of: Parameters<typeof medians>[0]) => {
		const [before, after] = medians(of);
		return after - before;
	};
	return [
		{ what: "soak, heap, last quarter / second", value: growth(({ heap }) => heap), atMost: atMost.heap },
		{
			what: "soak, resident memory, last quarter / second",
			value: growth(({ rss }) => rss),
			atMost: atMost.memory,
		},
		{
			what: "soak, open files, last quarter - second",
			value: increase(({ files }) => files),
			atMost: atMost.count,
		},
		{
			what: "soak, timers, last quarter - second",
			value: increase(({ timers }) => timers),
			atMost: atMost.count,
		},
		{
			what: "soak, handles, last quarter - second",
			value: increase(({ handles }) => handles),
			atMost: atMost.count,
		},
	];
};

function line(cells: readonly string[]): string {
	return `${cells.map((cell) => cell.padStart(12)).join("")}\n`;
}
