import { readdirSync, readFileSync } from "node:fs";

/** Pids of living processes whose command line contains `text`. */
export function processesWith(text: string): number[] {
	const pids: number[] = [];
	for (const entry of readdirSync("/proc")) {
		const pid = Number(entry);
		if (!Number.isInteger(pid) || pid === process.pid) continue;
		try {
			const command = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
			if (command.includes(text)) pids.push(pid);
		} catch {
			// It ended while we looked.
		}
	}
	return pids;
}
