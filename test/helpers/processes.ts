import { readdirSync, readFileSync } from "node:fs";
import { identifyProcess } from "../../local/processes.ts";

/** The living processes with all of these words, in this order, in their command lines. */
export function processesWith(...words: readonly string[]): number[] {
	return readdirSync("/proc")
		.filter((name) => /^\d+$/.test(name) && commandLine(name).includes(words.join(" ")))
		.map(Number)
		.filter((pid) => identifyProcess(pid) !== undefined);
}

function commandLine(pid: string): string {
	try {
		return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
	} catch {
		// It ended while we looked.
		return "";
	}
}
