import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { ToolError } from "../tools/tool-error.ts";
import { memberPids, removeCgroups } from "./cgroups.ts";
import { dirs } from "./layout.ts";
import { cleanNetwork, restoreSysctls } from "./network.ts";
import { removeFolders } from "./node-mounts.ts";
import { type ProcessRef, refOf, signal, waitUntilGone } from "./processes.ts";
import { bootId, type ClusterState, readState } from "./state.ts";

const END_TIMEOUT_MS = 15_000;

/** Removes all there is of a cluster, running or left over, whole or half. Nothing in it deserves a goodbye. */
export async function clean(): Promise<void> {
	const state = readState();
	if (state !== undefined) await endComponents(state);
	await endMembers();
	// Mounts are gone by now: their namespace was the processes'.
	await removeCgroups();
	await cleanNetwork();
	await removeRoot();
	if (state !== undefined) {
		removeFolders(state.madeFolders);
		if (state.bootId === bootId()) restoreSysctls(state.sysctls);
	}
}

async function endComponents(state: ClusterState): Promise<void> {
	if (state.bootId !== bootId()) return;
	const refs = Object.values(state.processes);
	for (const ref of refs) signal(ref, "SIGKILL");
	if (!(await waitUntilGone(refs, END_TIMEOUT_MS)))
		throw new ToolError("the cluster's components do not end");
}

/** The containers and their shims, and a component that was started but not yet noted. */
async function endMembers(): Promise<void> {
	const deadline = performance.now() + END_TIMEOUT_MS;
	for (;;) {
		const refs = memberPids().flatMap((pid) => refOf(pid) ?? []);
		const living = refs.filter((ref: ProcessRef) => signal(ref, "SIGKILL"));
		if (living.length === 0) return;
		if (performance.now() > deadline) {
			throw new ToolError(`processes in the cluster's cgroups do not end: ${living.map((ref) => ref.pid)}`);
		}
		await sleep(20);
	}
}

// The last mount namespace is taken apart a moment after its last process; until then folders are busy.
async function removeRoot(): Promise<void> {
	const deadline = performance.now() + 5_000;
	for (;;) {
		try {
			rmSync(dirs.root, { recursive: true, force: true });
			return;
		} catch (error) {
			if (performance.now() > deadline) throw error;
			await sleep(50);
		}
	}
}
