/** `npm run model -- --schedules N --seed S`: many schedules, on all cores; fails when a law does not hold. */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { plantedBugNames } from "./planted.ts";
import { scheduleOf } from "./schedule.ts";
import { describeSchedule } from "./shrink.ts";
import type { WorkerReport, WorkerTask } from "./worker.ts";
import { simulate } from "./world.ts";

const maxShrunk = 3;

const { values } = parseArgs({
	options: {
		/** How many schedules are run. */
		schedules: { type: "string", default: "20000" },
		/** The seed of the first; each has the next. */
		seed: { type: "string", default: "1" },
		/** Tells what happens in the schedule of the seed, and nothing else. */
		story: { type: "boolean", default: false },
		/** One of the planted bugs. */
		bug: { type: "string" },
	},
});
const schedules = readCount("schedules", values.schedules);
const firstSeed = readCount("seed", values.seed);
const bug = plantedBugNames.find((name) => name === values.bug);
if (values.bug !== undefined && bug === undefined) {
	throw new Error(`--bug must be one of ${plantedBugNames.join(", ")}`);
}

if (values.story) {
	const schedule = scheduleOf(firstSeed);
	const { story } = await simulate(schedule, { tellsStory: true });
	console.log([describeSchedule(schedule), ...story].join("\n"));
} else {
	await runAll();
}

async function runAll(): Promise<void> {
	const startedAt = performance.now();
	const workers = Math.min(availableParallelism(), schedules);
	const share = Math.ceil(schedules / workers);
	const reports = await Promise.all(
		Array.from({ length: workers }, (_, index) => {
			const done = index * share;
			return runWorker({
				firstSeed: firstSeed + done,
				schedules: Math.max(Math.min(share, schedules - done), 0),
				bug,
				maxShrunk,
			});
		}),
	);
	for (const finding of reports.flatMap(({ findings }) => findings)) console.log(`${finding}\n`);
	const sum = (of: (report: WorkerReport) => number) =>
		reports.reduce((total, report) => total + of(report), 0);
	const counts: Record<string, number> = {};
	for (const report of reports) {
		for (const [what, count] of Object.entries(report.counts)) counts[what] = (counts[what] ?? 0) + count;
	}
	const violations = sum(({ violations }) => violations);
	const days = sum(({ simulatedMs }) => simulatedMs) / 86_400_000;
	const longestWaitMs = Math.max(...reports.map((report) => report.longestWaitMs));
	const seconds = (performance.now() - startedAt) / 1_000;
	console.log(
		Object.entries(counts)
			.map(([what, count]) => `${what} ${count}`)
			.join(", "),
	);
	console.log(
		`longest wait ${(longestWaitMs / 1_000).toFixed(0)} s; ${days.toFixed(1)} days in ${seconds.toFixed(0)} s`,
	);
	console.log(
		`${sum((report) => report.schedules)} schedules from seed ${firstSeed} on, ${violations} violations`,
	);
	if (violations > 0) process.exitCode = 1;
}

function runWorker(task: WorkerTask): Promise<WorkerReport> {
	const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: task });
	return new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
}

function readCount(name: string, text: string): number {
	if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} must be a whole number`);
	return Number(text);
}
