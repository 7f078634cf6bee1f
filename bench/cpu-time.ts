import { readFileSync } from "node:fs";

/** proc(5) counts in USER_HZ, which is 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** Seconds of CPU that a process and all its threads have used so far, in steps of 10 ms. */
export function cpuSeconds(pid: number): number {
	const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
	// The command, in parentheses, may itself hold spaces and parentheses.
	const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
	const [userTicks, systemTicks] = [Number(fields[11]), Number(fields[12])];
	return (userTicks + systemTicks) / ticksPerSecond;
}
