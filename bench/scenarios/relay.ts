import { z } from "zod";
import { startServer } from "../../test/helpers/child.ts";
import { workFolder } from "../../test/helpers/work-folder.ts";
import { findProgram } from "../../test/tools/programs.ts";
import { loadWhile, setCoresApart } from "../cores.ts";
import { noiseWarning } from "../noise.ts";
import { interleave } from "../rounds.ts";
import { goCopy } from "../routes/go-copy.ts";
import { haproxy } from "../routes/haproxy.ts";
import { nodePipe } from "../routes/node-pipe.ts";
import { direct } from "../routes/route.ts";
import { scalerProxies } from "../routes/scaler-proxy.ts";
import { median, pairedRatio } from "../stats.ts";
import { table } from "../table.ts";
import type { Threshold } from "../verdict.ts";
import type { Scenario } from "./scenario.ts";

/** Of haproxy's speed as it comes: ours has the kernel move bytes, haproxy copies them twice. */
const atLeast = 2;

/**
 * Raw bytes through the proxies, between ends that do as little as they can: what the byte path can do at most. Where the
 * load's core is busy throughout, it is the limit, not the proxy: then only the CPU seconds tell the proxies apart.
 */
export const relay: Scenario = async (options, cleanup) => {
	const { sizeMib, runs = 5 } = options;
	const bytes = sizeMib * 2 ** 20;
	const dir = workFolder(cleanup);
	const core = setCoresApart(cleanup);
	const load = startServer(cleanup, findProgram("relay-load"), []);
	const { port: daemonPort } = await load.line((line) =>
		z.object({ port: z.number() }).parse(JSON.parse(line)),
	);
	const plain = await haproxy(cleanup, dir, daemonPort, { splice: false, core });
	const routes = [
		direct(daemonPort),
		...(await scalerProxies(cleanup, daemonPort, options.beside, { core })),
		plain,
		await haproxy(cleanup, dir, daemonPort, { splice: true, core }),
		await goCopy(cleanup, daemonPort, { core }),
		await nodePipe(cleanup, daemonPort, { core }),
	];
	const thresholds: Threshold[] = [];
	const answer = z.object({ seconds: z.number() });
	for (const direction of ["up", "down"]) {
		const transfer = async (port: number) => {
			const answered = load.line((line) => answer.parse(JSON.parse(line)));
			load.tell(JSON.stringify({ port, direction, bytes }));
			return await answered;
		};
		const results = await interleave(routes, runs, ({ port }) => loadWhile(() => transfer(port)));
		const columns = [...results].map(([route, samples]) => ({
			route,
			wall: samples.map(({ seconds }) => seconds),
			cpu: samples.map(({ cpuSeconds }) => cpuSeconds),
			busy: samples.map(({ loadBusy }) => loadBusy),
		}));
		const [base, ours] = columns;
		const rival = columns.find(({ route }) => route === plain);
		if (base === undefined || ours === undefined || rival === undefined) return [];
		const gigabytes = bytes / 1e9;
		const rows = columns.map(({ route, wall, cpu, busy }) => [
			route.name,
			`${wall.length}`,
			...[Math.max(...wall), median(wall), Math.min(...wall)].map((s) => (gigabytes / s).toFixed(2)),
			(median(base.wall) / median(wall)).toFixed(3),
			pairedRatio(base.wall, wall).toFixed(3),
			route.pid === undefined ? "-" : (median(cpu) / gigabytes).toFixed(2),
			`${(100 * median(busy)).toFixed(0)}%`,
		]);
		process.stdout.write(`relay ${direction}: ${sizeMib} MiB of raw bytes over one connection\n`);
		const speeds = ["min GB/s", "median GB/s", "max GB/s", "ratio", "paired"];
		const header = ["route", "n", ...speeds, "cpu s/GB", "load's core"];
		process.stdout.write(`${table(header, rows)}${noiseWarning(base.wall)}\n`);
		const value = pairedRatio(rival.wall, ours.wall);
		thresholds.push({
			what: `relay ${direction}, speed of buildkit-scaler / haproxy, paired`,
			value,
			atLeast,
		});
	}
	return thresholds;
};
