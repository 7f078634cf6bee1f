import { mkdirSync, rmSync } from "node:fs";
import { ToolError } from "../tools/tool-error.ts";
import { bringUp } from "./bring-up.ts";
import { makeCgroups, memberPids } from "./cgroups.ts";
import { clean } from "./clean.ts";
import { type Cluster, openCluster } from "./cluster.ts";
import { makeComponents, makeNodeMounts } from "./components.ts";
import { buildImages } from "./images/build-image.ts";
import { pause } from "./images/pause.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import { dirs } from "./layout.ts";
import { takeLock } from "./lock.ts";
import { addNodeAddress, readSysctls } from "./network.ts";
import { missingFolders } from "./node-mounts.ts";
import { phase, say, secondsSince } from "./phases.ts";
import { makePki } from "./pki.ts";
import { isAlive } from "./processes.ts";
import { bootId, readState, updateState, writeState } from "./state.ts";

export interface StartOptions {
	/** Tars to import besides the pause image's, see images/build-image.ts. */
	readonly images?: readonly string[];
	/** Leaves it running when this process ends, for `up`; otherwise the next start takes it for a left-over. */
	readonly detached?: boolean;
}

/** Starts a single-node Kubernetes with KEDA on this machine, after removing what a crashed run left. */
export async function startCluster(options: StartOptions = {}): Promise<Cluster> {
	const start = performance.now();
	const lock = await takeLock();
	try {
		await removeLeftOver();
		const [pauseTar] = await phase("pause image", () => buildImages([pause()]));
		await prepare();
		const components = makeComponents();
		await bringUp(components, makeNodeMounts(), { pause: pauseTar ?? "", others: options.images ?? [] });
		if (options.detached) updateState(() => ({ detached: true }));
		say(`up after ${secondsSince(start)}`);
		return openCluster(components, lock);
	} catch (error) {
		if (!(error instanceof ClusterRuns)) await clean();
		await lock.release();
		throw error;
	}
}

/** Not a failed start: that cluster is someone's. */
class ClusterRuns extends ToolError {}

async function removeLeftOver(): Promise<void> {
	const state = readState();
	if (state?.detached && state.bootId === bootId() && Object.values(state.processes).some(isAlive)) {
		throw new ClusterRuns(
			`a cluster is up since ${state.startedAt}: take it down first (npm run cluster -- down)`,
		);
	}
	if (state !== undefined || memberPids().length > 0) await phase("left-over removed", clean);
}

async function prepare(): Promise<void> {
	writeState({
		bootId: bootId(),
		startedAt: new Date().toISOString(),
		detached: false,
		processes: {},
		sysctls: readSysctls(),
		madeFolders: missingFolders(),
	});
	rmSync(dirs.logs, { recursive: true, force: true });
	for (const folder of [dirs.logs, dirs.config, dirs.mounts]) mkdirSync(folder, { recursive: true });
	makeCgroups();
	await addNodeAddress();
	await phase("certificates", makePki);
	writeKubeconfig();
}
