import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../common/clock.ts";
import { ScalerError } from "../common/error.ts";
import { readIdentity } from "./identity-file.ts";
import { childrenOf, identifyProcess, isAlive, type ProcessIdentity, signalProcess } from "./processes.ts";

const lookMs = 10;
const giveUpMs = 5_000;

/**
 * Ends the daemons that a killed run left behind, by their pid files in `dir`, and resolves with how many there were.
 * At once: their clients were lost with the proxy. Rejects with DAEMON_START_FAILED when one does not go.
 */
export async function endLeftovers(dir: string, clock: Clock): Promise<number> {
	const files = readdirSync(dir).map((name) => join(dir, name));
	const leftovers = files.flatMap((file) => readIdentity(file) ?? []).filter(isAlive);
	await Promise.all(leftovers.map((leftover) => endProcess(leftover, clock)));
	for (const file of files) rmSync(file, { force: true });
	return leftovers.length;
}

async function endProcess(leftover: ProcessIdentity, clock: Clock): Promise<void> {
	// Its children too: under `unshare` (kinds/buildkitd.ts) the daemon is the child.
	const children = childrenOf(leftover.pid).flatMap((pid) => identifyProcess(pid) ?? []);
	for (const { pid } of children) signalProcess(pid, "SIGKILL");
	signalProcess(-leftover.pid, "SIGKILL");
	// Only a parent is told of an exit, and theirs is gone: this has to be looked up.
	const until = clock.now() + giveUpMs;
	while ([leftover, ...children].some(isAlive)) {
		if (clock.now() > until) {
			throw new ScalerError(
				"DAEMON_START_FAILED",
				`process ${leftover.pid}, a daemon left behind by an earlier run, does not end`,
			);
		}
		await new Promise<void>((resolve) => clock.after(lookMs, resolve));
	}
}
