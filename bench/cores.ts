import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import type { Cleanup } from "../test/helpers/cleanup.ts";
import { taskset } from "../test/helpers/command.ts";

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

/** How busy the load's cores are while `run` runs, from 0 to 1, with what the kernel does there for either end. */
export async function loadWhile<T>(run: () => Promise<T>): Promise<T & { readonly loadBusy: number }> {
	const before = loadCores();
	const result = await run();
	const after = loadCores();
	return { ...result, loadBusy: 1 - (after.idle - before.idle) / (after.all - before.all) };
}

function loadCores(): { idle: number; all: number } {
	const times = cpus()
		.slice(0, -1)
		.map((core) => core.times);
	const sum = (counted: readonly number[]) => counted.reduce((a, b) => a + b, 0);
	return { idle: sum(times.map(({ idle }) => idle)), all: sum(times.flatMap((time) => Object.values(time))) };
}
