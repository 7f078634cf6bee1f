import { readFileSync } from "node:fs";

/** A process, told apart from a later one with the same pid. */
export interface ProcessIdentity {
	readonly pid: number;
	/** Clock ticks from boot to its start; "" where there is no /proc. */
	readonly startTime: string;
}

/** The living process with this pid; undefined when there is none. A zombie is not living. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
	if (process.platform !== "linux") return signalProcess(pid, 0) ? { pid, startTime: "" } : undefined;
	const stat = readProc(`${pid}/stat`);
	if (stat === undefined) return undefined;
	// proc(5): the command, in parentheses, may itself hold spaces and parentheses.
	const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
	const [state, startTime] = [fields[0], fields[19]];
	if (state === "Z" || state === "X" || startTime === undefined) return undefined;
	return { pid, startTime };
}

export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
	return identifyProcess(pid)?.startTime === startTime;
}

/** The pids of its children; none where there is no /proc. */
export function childrenOf(pid: number): number[] {
	const children = readProc(`${pid}/task/${pid}/children`) ?? "";
	return children.split(" ").flatMap((child) => (child === "" ? [] : [Number(child)]));
}

/** Whether the process has a handler of its own for SIGTERM. */
export function catchesSigterm(pid: number): boolean {
	const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readProc(`${pid}/status`) ?? "")?.[1] ?? "0";
	const sigterm = 15n;
	return ((BigInt(`0x${caught}`) >> (sigterm - 1n)) & 1n) === 1n;
}

/** Sends a signal to a process, or to the process group of a negative pid. False when there is none. */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
	try {
		process.kill(pid, signal);
		return true;
	} catch (error) {
		const code = error instanceof Error && "code" in error ? error.code : undefined;
		if (code === "ESRCH") return false;
		if (code === "EPERM") return true;
		throw error;
	}
}

function readProc(path: string): string | undefined {
	try {
		return readFileSync(`/proc/${path}`, "utf8");
	} catch {
		// No such process, or gone while it was read (ESRCH).
		return undefined;
	}
}
