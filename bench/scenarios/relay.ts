import { z } from "zod";
import { noiseWarning } from "../noise.ts";
import { startProgram } from "../program.ts";
import type { Direction } from "../programs/frames.ts";
import { interleave } from "../rounds.ts";
import { haproxy } from "../routes/haproxy.ts";
import { nodePipe } from "../routes/node-pipe.ts";
import { direct } from "../routes/route.ts";
import { scalerProxies } from "../routes/scaler-proxy.ts";
import { median, pairedRatio } from "../stats.ts";
import { table } from "../table.ts";
import type { Threshold } from "../verdict.ts";
import { workFolder } from "../work-folder.ts";
import type { Scenario } from "./scenario.ts";

/** Of haproxy's speed as it comes. A rival of ours is a user's first thought; being slower needs a reason. */
const atLeast = 1;

/** Raw bytes through the proxies, between stand-ins that do nothing else: what the byte path can do at most. */
export const relay: Scenario = async (options, cleanup) => {
	const { sizeMib, runs = 5 } = options;
	const bytes = sizeMib * 2 ** 20;
	const dir = workFolder(cleanup);
	const daemon = startProgram(cleanup, "relay-daemon");
	const { port: daemonPort } = await daemon.ask(z.object({ port: z.number() }));
	const client = startProgram(cleanup, "relay-client");
	const plain = await haproxy(cleanup, dir, daemonPort, { splice: false });
	const routes = [
		direct(daemonPort),
		...(await scalerProxies(cleanup, daemonPort, options.beside)),
		plain,
		await haproxy(cleanup, dir, daemonPort, { splice: true }),
		await nodePipe(cleanup, daemonPort),
	];
	const thresholds: Threshold[] = [];
	for (const direction of ["up", "down"] satisfies Direction[]) {
		const results = await interleave(routes, runs, ({ port }) =>
			client.ask(z.object({ seconds: z.number() }), { port, direction, bytes }),
		);
		const columns = [...results].map(([route, samples]) => ({
			route,
			wall: samples.map(({ seconds }) => seconds),
			cpu: samples.map(({ cpuSeconds }) => cpuSeconds),
		}));
		const [base, ours] = columns;
		const rival = columns.find(({ route }) => route === plain);
		if (base === undefined || ours === undefined || rival === undefined) return [];
		const gigabytes = bytes / 1e9;
		const rows = columns.map(({ route, wall, cpu }) => [
			route.name,
			`${wall.length}`,
			...[Math.max(...wall), median(wall), Math.min(...wall)].map((s) => (gigabytes / s).toFixed(2)),
			(median(base.wall) / median(wall)).toFixed(3),
			pairedRatio(base.wall, wall).toFixed(3),
			route.pid === undefined ? "-" : (median(cpu) / gigabytes).toFixed(2),
		]);
		process.stdout.write(`relay ${direction}: ${sizeMib} MiB of raw bytes over one connection\n`);
		const header = ["route", "n", "min GB/s", "median GB/s", "max GB/s", "ratio", "paired", "cpu s/GB"];
		process.stdout.write(`${table(header, rows)}${noiseWarning(base.wall)}\n`);
		const ratio = median(rival.wall) / median(ours.wall);
		thresholds.push({
			what: `relay ${direction}, speed of buildkit-scaler / haproxy, medians`,
			ratio,
			atLeast,
		});
	}
	return thresholds;
};
