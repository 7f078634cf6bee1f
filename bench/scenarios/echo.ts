import { z } from "zod";
import { startServer } from "../../test/helpers/child.ts";
import { workFolder } from "../../test/helpers/work-folder.ts";
import { findProgram } from "../../test/tools/programs.ts";
import { setCoresApart } from "../cores.ts";
import { noiseWarning } from "../noise.ts";
import { interleave } from "../rounds.ts";
import { goCopy } from "../routes/go-copy.ts";
import { haproxy } from "../routes/haproxy.ts";
import { nodePipe } from "../routes/node-pipe.ts";
import { direct } from "../routes/route.ts";
import { scalerProxies } from "../routes/scaler-proxy.ts";
import { median, pairedRatio } from "../stats.ts";
import { table } from "../table.ts";
import type { Scenario } from "./scenario.ts";

/** Of haproxy's rate as it comes: C has little to do per message, and JavaScript some more. */
const atLeast = 0.9;

const connections = 64;
const messageBytes = 64;
/** How long one run takes. */
const seconds = 2;

/** Small messages, each sent when the last one came back: what a message costs beside its bytes. */
export const echo: Scenario = async (options, cleanup) => {
	const { runs = 5 } = options;
	const dir = workFolder(cleanup);
	const core = setCoresApart(cleanup);
	const load = startServer(cleanup, findProgram("echo-load"), []);
	const { port: daemonPort } = await load.line((line) =>
		z.object({ port: z.number() }).parse(JSON.parse(line)),
	);
	const rival = await haproxy(cleanup, dir, daemonPort, { splice: false, core });
	// All of them at once on the one daemon.
	const flags = ["--capacity", `${connections}`];
	const routes = [
		direct(daemonPort),
		...(await scalerProxies(cleanup, daemonPort, options.beside, { core, flags })),
		rival,
		await haproxy(cleanup, dir, daemonPort, { splice: true, core }),
		await goCopy(cleanup, daemonPort, { core }),
		await nodePipe(cleanup, daemonPort, { core }),
	];
	const answer = z.object({ messages: z.number(), seconds: z.number() });
	const results = await interleave(routes, runs, async ({ port }) => {
		const answered = load.line((line) => answer.parse(JSON.parse(line)));
		load.tell(JSON.stringify({ port, connections, bytes: messageBytes, seconds }));
		return await answered;
	});

	const columns = [...results].map(([route, samples]) => ({
		route,
		rate: samples.map((sample) => sample.messages / sample.seconds),
		cpuMicroseconds: samples.map(({ cpuSeconds, messages }) => (cpuSeconds / messages) * 1e6),
	}));
	const [base, ours] = columns;
	const theirs = columns.find(({ route }) => route === rival);
	if (base === undefined || ours === undefined || theirs === undefined) return [];
	const rows = columns.map(({ route, rate, cpuMicroseconds }) => [
		route.name,
		`${rate.length}`,
		...[Math.min(...rate), median(rate), Math.max(...rate)].map((perSecond) => (perSecond / 1000).toFixed(1)),
		pairedRatio(rate, base.rate).toFixed(3),
		route.pid === undefined ? "-" : median(cpuMicroseconds).toFixed(1),
	]);
	process.stdout.write(
		`echo: ${messageBytes}-byte messages there and back over ${connections} connections\n`,
	);
	const header = ["route", "n", "min k/s", "median k/s", "max k/s", "paired", "cpu us/message"];
	process.stdout.write(`${table(header, rows)}${noiseWarning(base.rate)}`);
	const value = pairedRatio(ours.rate, theirs.rate);
	return [{ what: "echo, messages of buildkit-scaler / haproxy, paired", value, atLeast }];
};
