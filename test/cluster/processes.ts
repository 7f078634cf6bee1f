import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A pid alone may name another process by now; with its start time (in clock ticks since boot) it cannot. */
export interface ProcessRef {
	readonly pid: number;
	readonly startTicks: number;
}

export function refOf(pid: number): ProcessRef | undefined {
	const stat = readStat(pid);
	return stat === undefined ? undefined : { pid, startTicks: stat.startTicks };
}

/** False for a zombie too: it only waits for its parent to take note. */
export function isAlive(ref: ProcessRef): boolean {
	const stat = readStat(ref.pid);
	if (stat === undefined || stat.startTicks !== ref.startTicks) return false;
	// Its first thread is a zombie while others still end, and until then its ports are taken.
	return stat.state !== "Z" || threadsOf(ref.pid) > 1;
}

function threadsOf(pid: number): number {
	return threadStates(pid).length;
}

/** A stop reaches each thread by itself, the last one a moment after the first. */
export function isStopped(ref: ProcessRef): boolean {
	return isAlive(ref) && threadStates(ref.pid).every((state) => state === "T");
}

function threadStates(pid: number): string[] {
	try {
		return readdirSync(`/proc/${pid}/task`).flatMap(
			(thread) => readStat(`${pid}/task/${thread}`)?.state ?? [],
		);
	} catch {
		return [];
	}
}

/** Sends a signal to that very process; false if it is gone. */
export function signal(ref: ProcessRef, name: NodeJS.Signals): boolean {
	if (!isAlive(ref)) return false;
	try {
		return process.kill(ref.pid, name);
	} catch {
		return false;
	}
}

export async function waitUntilGone(refs: readonly ProcessRef[], timeoutMs: number): Promise<boolean> {
	const deadline = performance.now() + timeoutMs;
	while (refs.some(isAlive)) {
		if (performance.now() > deadline) return false;
		await sleep(10);
	}
	return true;
}

function readStat(pid: number | string): { state: string; startTicks: number } | undefined {
	try {
		const text = readFileSync(`/proc/${pid}/stat`, "utf8");
		// The program's name, in brackets, may hold spaces and brackets itself: count from the last bracket.
		const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
		return { state: fields[0] ?? "", startTicks: Number(fields[19]) };
	} catch {
		return undefined;
	}
}
