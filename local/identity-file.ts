import { readFileSync, writeFileSync } from "node:fs";
import type { ProcessIdentity } from "./processes.ts";

/** Writes who runs: a lock, or a daemon's pid file. */
export function writeIdentity(path: string, identity: ProcessIdentity | undefined): void {
	writeFileSync(path, JSON.stringify(identity ?? null), { mode: 0o600 });
}

/** undefined for a file that is not there, or not one of ours. */
export function readIdentity(path: string): ProcessIdentity | undefined {
	let content: unknown;
	try {
		content = JSON.parse(readFileSync(path, "utf8"));
	} catch {
		return undefined;
	}
	if (typeof content !== "object" || content === null) return undefined;
	if (!("pid" in content && "startTime" in content)) return undefined;
	const { pid, startTime } = content;
	// A pid of 0 or less would signal whole groups.
	if (!Number.isSafeInteger(pid) || typeof pid !== "number" || pid < 2) return undefined;
	return typeof startTime === "string" ? { pid, startTime } : undefined;
}
