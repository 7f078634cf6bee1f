import { linkSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { toolsDir } from "./paths.ts";
import { say } from "./progress.ts";

const lockFile = join(toolsDir, "lock");
const REFRESH_MS = 5_000;
const STALE_MS = 30_000;

/**
 * One run at a time builds: two would only do the same work twice, and apt refuses the second.
 * Correctness does not hang on it (programs are moved in whole), so a stale lock is simply removed.
 */
export async function withLock(work: () => Promise<void>): Promise<void> {
	mkdirSync(toolsDir, { recursive: true });
	let told = false;
	while (!tryTake()) {
		if (isStale()) {
			rmSync(lockFile, { force: true });
			continue;
		}
		if (!told) say("waiting for another run of this command");
		told = true;
		await sleep(200);
	}
	const refresh = setInterval(touchLock, REFRESH_MS);
	try {
		await work();
	} finally {
		clearInterval(refresh);
		if (readHolder() === process.pid) rmSync(lockFile, { force: true });
	}
}

function touchLock(): void {
	try {
		utimesSync(lockFile, new Date(), new Date());
	} catch {
		// Taken from us as stale (the machine slept): the work itself is safe without it.
	}
}

function tryTake(): boolean {
	const mine = `${lockFile}.${process.pid}`;
	// link fails when the name is taken, and the file is never seen without its content.
	writeFileSync(mine, String(process.pid));
	try {
		linkSync(mine, lockFile);
		return true;
	} catch (error) {
		if (!isCode(error, "EEXIST")) throw error;
		return false;
	} finally {
		rmSync(mine, { force: true });
	}
}

// A killed run leaves its lock; its pid may belong to another program by now, hence also the age.
function isStale(): boolean {
	try {
		const holder = readHolder();
		const age = Date.now() - statSync(lockFile).mtimeMs;
		return age > STALE_MS || (holder !== undefined && !isAlive(holder));
	} catch (error) {
		if (isCode(error, "ENOENT")) return false;
		throw error;
	}
}

function readHolder(): number | undefined {
	try {
		return Number(readFileSync(lockFile, "utf8"));
	} catch (error) {
		if (isCode(error, "ENOENT")) return undefined;
		throw error;
	}
}

function isAlive(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		return !isCode(error, "ESRCH");
	}
}

function isCode(error: unknown, code: string): boolean {
	return error instanceof Error && "code" in error && error.code === code;
}
