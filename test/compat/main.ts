// npm run compat: every client version with real daemons through real proxies, cold and warm, in every TLS mode. Writes
// docs/compatibility.md when all is as the facts in cells.ts say; any other result fails the run. Versions as arguments
// try only the clients of these, and write nothing.
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Cleanup } from "../helpers/cleanup.ts";
import { startNatsServer } from "../helpers/nats-server.ts";
import { workFolder } from "../helpers/work-folder.ts";
import { type Outcome, runBuild, versionOf } from "./build.ts";
import {
	clients as allClients,
	rows as allRows,
	type Cell,
	type Client,
	columns,
	daemonVersions,
	describeColumn,
	describeRow,
	longHoldSeconds,
	newestDaemon,
	shortHoldSeconds,
} from "./cells.ts";
import { documentPath, renderDocument } from "./document.ts";
import { expectation, isAsExpected } from "./expectations.ts";
import { type Group, Pools } from "./pools.ts";
import { askSleepingPool, countAnnounced } from "./sleeping-pool.ts";

/** Builds at once where nobody waits; the machine is small. */
const atOnce = 4;
/** Until all clients of a hold have begun to wait, on a small machine. A short hold has no time to lose. */
const settleSeconds = (holdSeconds: number) => (holdSeconds === longHoldSeconds ? 5 : 1);

const wanted = process.argv.slice(2);
const isWanted = ({ version }: Client) => wanted.length === 0 || wanted.includes(version);
const clients = allClients.filter(isWanted);
const rows = allRows.filter(({ client }) => isWanted(client));
const versions = daemonVersions.filter((version) => rows.some(({ daemon }) => daemon === version));

let unexpected = 0;

function say(text: string): void {
	console.log(`${new Date().toISOString().slice(11, 19)}  ${text}`);
}

function fail(what: string, outcome: Outcome): void {
	unexpected++;
	say(`UNEXPECTED: ${what}, after ${outcome.seconds.toFixed(1)} s:\n${outcome.output.trimEnd()}`);
}

/** Programs on PATH are used as they are, so they may be of other versions than the table would say. */
async function checkVersions(): Promise<void> {
	for (const client of clients) {
		const outcome = await versionOf(client);
		if (!outcome.output.includes(`${client.version} `))
			fail(`${client.kind} is not ${client.version}`, outcome);
	}
	if (unexpected > 0) throw new Error("the programs are of other versions");
}

async function tryCell(cell: Cell, pools: Pools, folder: string): Promise<void> {
	const expected = expectation(cell);
	if (expected.t === "none") return;
	const { row, column } = cell;
	const outcome = await runBuild(row.client, pools.target(cell), folder, column);
	const what = `${describeRow(row)}, ${describeColumn(column)}`;
	if (!isAsExpected(outcome, expected, column))
		return fail(`${what}: ${outcome.ok ? "works" : "fails"}`, outcome);
	say(`${what}: ${expected.t} as expected, after ${outcome.seconds.toFixed(1)} s`);
}

async function tryQuestions(pools: Pools, folder: string): Promise<void> {
	for (const client of clients.filter(({ kind }) => kind === "buildx")) {
		const target = pools.target({ row: { client, daemon: newestDaemon }, column: columns[0] });
		const { calm, outcome } = await askSleepingPool(client, target, folder);
		if (!calm) fail(`buildx ls ${client.version}`, outcome);
		else say(`buildx ls ${client.version}: inactive, after ${outcome.seconds.toFixed(2)} s`);
	}
}

async function tryInTurn(cells: readonly Cell[], tryOne: (cell: Cell) => Promise<void>): Promise<void> {
	const left = [...cells];
	await Promise.all(
		Array.from({ length: atOnce }, async () => {
			for (let cell = left.shift(); cell !== undefined; cell = left.shift()) await tryOne(cell);
		}),
	);
}

function cellsOf(holdSeconds: number, daemon?: string): Cell[] {
	return rows
		.filter((row) => daemon === undefined || row.daemon === daemon)
		.flatMap((row) => columns.map((column): Cell => ({ row, column })))
		.filter(({ column }) => column.holdSeconds === holdSeconds);
}

async function main(cleanup: Cleanup): Promise<void> {
	await checkVersions();
	const folder = workFolder(cleanup);
	const nats = await startNatsServer();
	cleanup.add(() => nats.kill());
	const pools = await Pools.start(cleanup, { versions, folder, natsUrl: nats.url });
	const tryOne = (cell: Cell) => tryCell(cell, pools, folder);

	say("questions about a sleeping pool");
	const announced = await countAnnounced(nats.url, () => tryQuestions(pools, folder));
	if (announced > 0) {
		unexpected++;
		say(`UNEXPECTED: questions were announced as ${announced} builds`);
	}

	for (const version of versions) {
		say(`warm: buildkitd ${version}`);
		await pools.withDaemons({ version, group: "long" }, () => tryInTurn(cellsOf(0, version), tryOne));
	}

	say("holds: all at once");
	const hold = async (seconds: number, group: Group) => {
		const builds = Promise.all(cellsOf(seconds).map(tryOne)).then(() => {});
		const waking = sleep((seconds + settleSeconds(seconds)) * 1_000);
		await Promise.all([builds, waking.then(() => pools.withDaemons({ group }, () => builds))]);
	};
	// Not at the same time, as each begins with many processes.
	const short = sleep(20_000).then(() => hold(shortHoldSeconds, "short"));
	await Promise.all([hold(longHoldSeconds, "long"), short]);
}

const startedAt = performance.now();
const cleanup = new Cleanup();
const interrupted = () => void cleanup.run().then(() => process.exit(130));
process.on("SIGINT", interrupted);
process.on("SIGTERM", interrupted);
try {
	await main(cleanup);
} finally {
	await cleanup.run();
}
const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1);
if (unexpected === 0 && wanted.length > 0) {
	say(`all as expected, in ${minutes} minutes`);
} else if (unexpected === 0) {
	writeFileSync(documentPath, renderDocument());
	say(`all as expected, in ${minutes} minutes; written to docs/compatibility.md`);
} else {
	say(`${unexpected} unexpected results, in ${minutes} minutes`);
	process.exitCode = 1;
}
