import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirs, files } from "./layout.ts";
import type { ProcessRef } from "./processes.ts";

/** What must be known to undo everything, written before it is done: the kit may be killed at any moment. */
export interface ClusterState {
	/** Processes and mounts do not survive a reboot, and pids begin anew. */
	readonly bootId: string;
	readonly startedAt: string;
	/** True once `up` has left the cluster running by itself; else it ends with the kit's process. */
	readonly detached: boolean;
	/** By component; members of our cgroup are found without this. */
	readonly processes: Readonly<Record<string, ProcessRef>>;
	/** Kernel settings Kubernetes changes, as they were before. */
	readonly sysctls: Readonly<Record<string, string>>;
	/** Folders outside ours that had to be made as mount points. */
	readonly madeFolders: readonly string[];
}

export function bootId(): string {
	return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

export function readState(): ClusterState | undefined {
	try {
		return JSON.parse(readFileSync(files.state, "utf8")) as ClusterState;
	} catch (error) {
		if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
		throw error;
	}
}

export function writeState(state: ClusterState): void {
	mkdirSync(dirs.root, { recursive: true, mode: 0o700 });
	const temporary = `${files.state}.new`;
	writeFileSync(temporary, JSON.stringify(state, undefined, "\t"));
	renameSync(temporary, files.state);
}

export function updateState(change: (state: ClusterState) => Partial<ClusterState>): void {
	const state = readState();
	if (state === undefined) throw new Error("the cluster's state file is gone: was it taken down meanwhile?");
	writeState({ ...state, ...change(state) });
}
