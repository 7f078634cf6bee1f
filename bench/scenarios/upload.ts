import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "../build.ts";
import { startBuildkitd } from "../buildkitd.ts";
import { noiseWarning } from "../noise.ts";
import { writeRandomFile } from "../random-file.ts";
import { interleave } from "../rounds.ts";
import { haproxy } from "../routes/haproxy.ts";
import { direct } from "../routes/route.ts";
import { scalerProxies } from "../routes/scaler-proxy.ts";
import { median, pairedRatio } from "../stats.ts";
import { table } from "../table.ts";
import { workFolder } from "../work-folder.ts";
import type { Scenario } from "./scenario.ts";

/** Of the direct upload's speed; haproxy and Node's pipe reach 0.8 with all three processes on two cores. */
const atLeast = 0.9;

/** A context upload by a stock client to a real daemon: what a build feels of the proxy. */
export const upload: Scenario = async (options, cleanup) => {
	const { sizeMib, runs = 5 } = options;
	const dir = workFolder(cleanup);
	const context = join(dir, "context");
	mkdirSync(context);
	writeRandomFile(join(context, "big"), sizeMib);
	writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY big /\n");
	const daemon = await startBuildkitd(cleanup, dir);
	const routes = [
		direct(daemon.port),
		...(await scalerProxies(cleanup, daemon.port, options.beside)),
		await haproxy(cleanup, dir, daemon.port, { splice: false }),
		await haproxy(cleanup, dir, daemon.port, { splice: true }),
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
		name: route.name,
		wall: samples.map(({ seconds }) => seconds),
		transfer: samples.map(({ transferSeconds }) => transferSeconds),
		cpu: samples.map(({ cpuSeconds }) => cpuSeconds),
		isProxy: route.pid !== undefined,
	}));
	const [base, ours] = columns;
	if (base === undefined || ours === undefined) return [];
	const rows = columns.map(({ name, wall, transfer, cpu, isProxy }) => [
		name,
		`${wall.length}`,
		...[Math.min(...wall), median(wall), Math.max(...wall)].map((seconds) => seconds.toFixed(3)),
		(sizeMib / median(wall)).toFixed(0),
		(median(base.wall) / median(wall)).toFixed(3),
		pairedRatio(base.wall, wall).toFixed(3),
		median(transfer).toFixed(3),
		(median(base.transfer) / median(transfer)).toFixed(3),
		isProxy ? ((median(cpu) * 1024) / sizeMib).toFixed(2) : "-",
	]);
	const header = ["route", "n", "min s", "median s", "max s", "MiB/s", "ratio", "paired"];
	process.stdout.write(`upload: ${sizeMib} MiB of context, buildctl build of FROM scratch, COPY\n`);
	process.stdout.write(table([...header, "transfer s", "ratio", "cpu s/GiB"], rows));
	process.stdout.write(noiseWarning(base.wall));
	const ratio = median(base.wall) / median(ours.wall);
	return [{ what: "upload, speed of buildkit-scaler / direct, medians", ratio, atLeast }];
};
