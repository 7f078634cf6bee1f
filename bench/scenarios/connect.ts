import { startBuildkitd } from "../buildkitd.ts";
import { timeListWorkers } from "../list-workers.ts";
import { interleave } from "../rounds.ts";
import { haproxy } from "../routes/haproxy.ts";
import { direct } from "../routes/route.ts";
import { scalerProxies } from "../routes/scaler-proxy.ts";
import { median, quantile } from "../stats.ts";
import { table } from "../table.ts";
import { workFolder } from "../work-folder.ts";
import type { Scenario } from "./scenario.ts";

/** Calls per route that start-up and the JIT may spoil. */
const warmUpCalls = 50;

/** What the proxy adds to a client that connects and asks something. */
export const connect: Scenario = async (options, cleanup) => {
	const { runs = 300 } = options;
	const dir = workFolder(cleanup);
	const daemon = await startBuildkitd(cleanup, dir);
	const routes = [
		direct(daemon.port),
		...(await scalerProxies(cleanup, daemon.port, options.beside)),
		await haproxy(cleanup, dir, daemon.port, { splice: false }),
	];
	for (let call = 0; call < warmUpCalls; call++) {
		for (const { port } of routes) await timeListWorkers(port);
	}
	const results = await interleave(routes, runs, ({ port }) => timeListWorkers(port));

	const columns = [...results].map(([route, samples]) => ({
		name: route.name,
		first: samples.map(({ firstMs }) => firstMs),
		next: samples.map(({ nextMs }) => nextMs),
	}));
	const [base] = columns;
	if (base === undefined) return [];
	const rows = columns.map(({ name, first, next }) => [
		name,
		`${first.length}`,
		...[Math.min(...first), median(first), quantile(first, 0.99), Math.max(...first)].map(ms),
		(median(first) / median(base.first)).toFixed(2),
		...[median(next), quantile(next, 0.99)].map(ms),
		(median(next) / median(base.next)).toFixed(2),
	]);
	const header = ["route", "n", "min ms", "p50 ms", "p99 ms", "max ms", "ratio", "next p50", "next p99"];
	process.stdout.write("connect: connect + first ListWorkers, and the next one on the same connection\n");
	process.stdout.write(table([...header, "ratio"], rows));
	process.stdout.write(
		"no threshold is agreed for connect; ratios are of p50, 1.00 is direct, less is better\n",
	);
	return [];
};

function ms(value: number): string {
	return value.toFixed(3);
}
