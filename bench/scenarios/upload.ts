import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { workFolder } from "../../test/helpers/work-folder.ts";
import { build } from "../build.ts";
import { startBuildkitd } from "../buildkitd.ts";
import { noiseWarning } from "../noise.ts";
import { writeRandomFile } from "../random-file.ts";
import { interleave } from "../rounds.ts";
import { goCopy } from "../routes/go-copy.ts";
import { haproxy } from "../routes/haproxy.ts";
import { direct } from "../routes/route.ts";
import { scalerProxies } from "../routes/scaler-proxy.ts";
import { median, pairedRatio } from "../stats.ts";
import { table } from "../table.ts";
import type { Scenario } from "./scenario.ts";

/** Of the direct upload's speed; haproxy and Node's pipe reach 0.8 with all three processes on two cores. */
const atLeastOfDirect = 0.93;
/** Of haproxy's speed, spliced or not. */
const atLeastOfRivals = 1;

/** A context upload by a stock client to a real daemon: what a build feels of the proxy. */
export const upload: Scenario = async (options, cleanup) => {
	const { sizeMib, runs = 5 } = options;
	const dir = workFolder(cleanup);
	const context = join(dir, "context");
	mkdirSync(context);
	writeRandomFile(join(context, "big"), sizeMib);
	writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY big /\n");
	const daemon = await startBuildkitd(cleanup, dir);
	const rivals = [
		await haproxy(cleanup, dir, daemon.port, { splice: false }),
		await haproxy(cleanup, dir, daemon.port, { splice: true }),
	];
	const routes = [
		direct(daemon.port),
		...(await scalerProxies(cleanup, daemon.port, options.beside)),
		...rivals,
		await goCopy(cleanup, daemon.port),
	];

	const results = await interleave(routes, runs, async (route) => {
		// The daemon keeps a context and has the client send only what changed.
		await daemon.prune();
		const result = await build(route.port, context);
		if (result.contextBytes < sizeMib * 2 ** 20) {
			throw new Error(`${route.name}: only ${result.contextBytes} bytes of the context were uploaded`);
		}
		return result;
	});

	const columns = [...results].map(([route, samples]) => ({
		route,
		wall: samples.map(({ seconds }) => seconds),
		transfer: samples.map(({ transferSeconds }) => transferSeconds),
		cpu: samples.map(({ cpuSeconds }) => cpuSeconds),
	}));
	const [base, ours] = columns;
	if (base === undefined || ours === undefined) return [];
	const rows = columns.map(({ route, wall, transfer, cpu }) => [
		route.name,
		`${wall.length}`,
		...[Math.min(...wall), median(wall), Math.max(...wall)].map((seconds) => seconds.toFixed(3)),
		(sizeMib / median(wall)).toFixed(0),
		(median(base.wall) / median(wall)).toFixed(3),
		pairedRatio(base.wall, wall).toFixed(3),
		median(transfer).toFixed(3),
		(median(base.transfer) / median(transfer)).toFixed(3),
		route.pid === undefined ? "-" : ((median(cpu) * 1e9) / (sizeMib * 2 ** 20)).toFixed(2),
	]);
	const header = ["route", "n", "min s", "median s", "max s", "MiB/s", "ratio", "paired"];
	process.stdout.write(`upload: ${sizeMib} MiB of context, buildctl build of FROM scratch, COPY\n`);
	process.stdout.write(table([...header, "transfer s", "ratio", "cpu s/GB"], rows));
	process.stdout.write(noiseWarning(base.wall));
	const against = (wall: readonly number[]) => pairedRatio(wall, ours.wall);
	return [
		{
			what: "upload, speed of buildkit-scaler / direct, paired",
			value: against(base.wall),
			atLeast: atLeastOfDirect,
		},
		...columns
			.filter(({ route }) => rivals.includes(route))
			.map(({ route, wall }) => ({
				what: `upload, speed of buildkit-scaler / ${route.name}, paired`,
				value: against(wall),
				atLeast: atLeastOfRivals,
			})),
	];
};
