import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import type { Cleanup } from "./cleanup.ts";
import { taskset } from "./command.ts";

/**
 * Gives the last core to the proxies alone and keeps this process, with every other child, on the rest: what a proxy
 * can do is then what one core can do, and the load's own work does not count against it. Returns the proxies' core;
 * undefined on a machine with only one.
 */
export function setCoresApart(cleanup: Cleanup): number | undefined {
	const last = cpus().length - 1;
	if (last < 1) return undefined;
	moveTo(`0-${last - 1}`);
	cleanup.add(() => moveTo(`0-${last}`));
	return last;
}

/** The main thread, which does our work and starts our children; they inherit it. */
function moveTo(cores: string): void {
	execFileSync(taskset, ["--cpu-list", "--pid", cores, `${process.pid}`], { stdio: "ignore" });
}
