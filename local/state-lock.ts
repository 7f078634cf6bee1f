import { linkSync, renameSync, rmSync } from "node:fs";
import { ScalerError } from "../common/error.ts";
import { readIdentity, writeIdentity } from "./identity-file.ts";
import { identifyProcess, isAlive, type ProcessIdentity } from "./processes.ts";

/**
 * Takes the lock file at `path` for this process and returns the function that releases it. The lock of a process
 * that is gone is taken over. Throws STATE_DIR_IN_USE while its holder lives.
 */
export function takeLock(path: string): () => void {
	const draft = `${path}.${process.pid}`;
	writeIdentity(draft, identifyProcess(process.pid));
	try {
		// link(2) fails when the name is taken, and the file is never seen without its content.
		while (!tryLink(draft, path)) {
			const holder = readIdentity(path);
			if (holder !== undefined && isAlive(holder)) throw inUse(path, holder);
			takeAway(path, `${draft}.stale`);
		}
	} finally {
		rmSync(draft, { force: true });
	}
	return () => rmSync(path, { force: true });
}

/** Removes a stale lock; puts back what turns out to be the fresh lock of somebody who was faster. */
function takeAway(path: string, aside: string): void {
	try {
		renameSync(path, aside);
	} catch (error) {
		if (isCode(error, "ENOENT")) return;
		throw error;
	}
	const taken = readIdentity(aside);
	if (taken !== undefined && isAlive(taken)) tryLink(aside, path);
	rmSync(aside, { force: true });
}

function tryLink(from: string, to: string): boolean {
	try {
		linkSync(from, to);
		return true;
	} catch (error) {
		if (isCode(error, "EEXIST")) return false;
		throw error;
	}
}

function inUse(path: string, { pid }: ProcessIdentity): ScalerError {
	return new ScalerError(
		"STATE_DIR_IN_USE",
		`another buildkit-scaler local (process ${pid}) uses this state directory: end it, or choose another --state-dir (its lock: ${path})`,
	);
}

function isCode(error: unknown, code: string): boolean {
	return error instanceof Error && "code" in error && error.code === code;
}
