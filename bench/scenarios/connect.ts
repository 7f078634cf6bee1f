import { workFolder } from "../../test/helpers/work-folder.ts";
import { startBuildkitd } from "../buildkitd.ts";
import { setCoresApart } from "../cores.ts";
import { timeListWorkers } from "../list-workers.ts";
import { interleave } from "../rounds.ts";
import { goCopy } from "../routes/go-copy.ts";
import { haproxy } from "../routes/haproxy.ts";
import { direct } from "../routes/route.ts";
import { scalerProxies } from "../routes/scaler-proxy.ts";
import { median, quantile } from "../stats.ts";
import { table } from "../table.ts";
import type { Scenario } from "./scenario.ts";

/** Calls per route that start-up and the JIT may spoil: V8 still optimizes our own path after some hundred. */
const warmUpCalls = 500;
/** What ours may add to haproxy's time (ms): it reads the first request before it knows that it needs a daemon. */
const atMostMs = 0.3;

/** What the proxy adds to a client that connects and asks something. */
export const connect: Scenario = async (options, cleanup) => {
	const { runs = 300 } = options;
	const dir = workFolder(cleanup);
	const core = setCoresApart(cleanup);
	const daemon = await startBuildkitd(cleanup, dir);
	const rival = await haproxy(cleanup, dir, daemon.port, { splice: false, core });
	const routes = [
		direct(daemon.port),
		...(await scalerProxies(cleanup, daemon.port, options.beside, { core })),
		rival,
		await haproxy(cleanup, dir, daemon.port, { splice: true, core }),
		await goCopy(cleanup, daemon.port, { core }),
	];
	for (let call = 0; call < warmUpCalls; call++) {
		for (const { port } of routes) await timeListWorkers(port);
	}
	const results = await interleave(routes, runs, ({ port }) => timeListWorkers(port));

	const columns = [...results].map(([route, samples]) => ({
		route,
		first: samples.map(({ firstMs }) => firstMs),
		next: samples.map(({ nextMs }) => nextMs),
		cpu: samples.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
	}));
	const [base, ours] = columns;
	const theirs = columns.find(({ route }) => route === rival);
	if (base === undefined || ours === undefined || theirs === undefined) return [];
	const rows = columns.map(({ route, first, next, cpu }) => [
		route.name,
		`${first.length}`,
		...[Math.min(...first), median(first), quantile(first, 0.99), Math.max(...first)].map(ms),
		(median(first) / median(base.first)).toFixed(2),
		...[median(next), quantile(next, 0.99)].map(ms),
		(median(next) / median(base.next)).toFixed(2),
		route.pid === undefined ? "-" : ms((cpu / first.length) * 1000),
	]);
	const header = ["route", "n", "min ms", "p50 ms", "p99 ms", "max ms", "ratio", "next p50", "next p99"];
	process.stdout.write("connect: connect + first ListWorkers, and the next one on the same connection\n");
	process.stdout.write(table([...header, "ratio", "cpu ms"], rows));
	process.stdout.write(
		"ratios are of p50, 1.00 is direct, less is better; cpu ms: the proxy's, per connection\n",
	);
	return [
		{
			what: "connect, p50 of buildkit-scaler - p50 of haproxy, in ms",
			value: median(ours.first) - median(theirs.first),
			atMost: atMostMs,
		},
	];
};

function ms(value: number): string {
	return value.toFixed(3);
}
