import { parentPort, workerData } from "node:worker_threads";
import { describeFinding, findSmallest, runSeed } from "./find.ts";
import type { PlantedBug } from "./planted.ts";

export interface WorkerTask {
	readonly firstSeed: number;
	readonly schedules: number;
	readonly bug: PlantedBug | undefined;
	/** So many of the findings are shrunk. */
	readonly maxShrunk: number;
}

export interface WorkerReport {
	readonly schedules: number;
	readonly violations: number;
	readonly counts: Readonly<Record<string, number>>;
	readonly simulatedMs: number;
	readonly longestWaitMs: number;
	readonly findings: readonly string[];
}

export async function runTask({ firstSeed, schedules, bug, maxShrunk }: WorkerTask): Promise<WorkerReport> {
	const counts: Record<string, number> = {};
	const findings: string[] = [];
	let [violations, simulatedMs, longestWaitMs] = [0, 0, 0];
	for (let seed = firstSeed; seed < firstSeed + schedules; seed++) {
		const outcome = await runSeed(seed, bug);
		for (const [what, count] of Object.entries(outcome.counts)) counts[what] = (counts[what] ?? 0) + count;
		simulatedMs += outcome.simulatedMs;
		longestWaitMs = Math.max(longestWaitMs, outcome.longestWaitMs);
		if (outcome.violation === undefined) continue;
		violations++;
		if (findings.length >= maxShrunk) continue;
		findings.push(describeFinding(await findSmallest(seed, outcome.violation.law, bug)));
	}
	return { schedules, violations, counts, simulatedMs, longestWaitMs, findings };
}

parentPort?.postMessage(await runTask(workerData as WorkerTask));
