// All processes of the cluster, pods included, live in cgroups of this name: that is how they are found
// again after a crash, whichever of them forked which.
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const name = "buildkit-scaler-cluster";

/** kubelet's --cgroup-root: it puts its kubepods below. */
export const cgroupRoot = `/${name}`;

interface Hierarchy {
	readonly mountPoint: string;
	readonly kind: "cgroup" | "cgroup2";
}

function hierarchies(): Hierarchy[] {
	const found = new Map<string, Hierarchy>();
	for (const line of readFileSync("/proc/self/mounts", "utf8").split("\n")) {
		const [, mountPoint, kind] = line.split(" ");
		if (mountPoint !== undefined && (kind === "cgroup" || kind === "cgroup2")) {
			found.set(mountPoint, { mountPoint, kind });
		}
	}
	return [...found.values()];
}

/** One hierarchy is enough to find all members, as children inherit it; version 2 is on every machine of today. */
function trackingDir(): string {
	const all = hierarchies();
	const tracking = all.find((hierarchy) => hierarchy.kind === "cgroup2") ?? all[0];
	if (tracking === undefined) throw new Error("no cgroup file system is mounted on this machine");
	return join(tracking.mountPoint, name);
}

/** Makes the cgroups (kubelet wants its root in every hierarchy). */
export function makeCgroups(): void {
	for (const { mountPoint, kind } of hierarchies()) {
		if (kind === "cgroup2") offerControllers(mountPoint);
		mkdirSync(join(mountPoint, name), { recursive: true });
	}
	mkdirSync(join(trackingDir(), "components"), { recursive: true });
}

/** On machines with version 2 only, kubelet refuses a root that lacks one of the machine's controllers. */
function offerControllers(mountPoint: string): void {
	const controllers = readFileSync(join(mountPoint, "cgroup.controllers"), "utf8")
		.split(/\s+/)
		.filter(Boolean);
	for (const controller of controllers) {
		try {
			writeFileSync(join(mountPoint, "cgroup.subtree_control"), `+${controller}`);
		} catch {
			// Some cannot be passed on (in a container, say); kubelet's own check decides whether that matters.
		}
	}
}

/** A process joins by writing its pid here. In version 2 only leaves may have members, hence the subfolder. */
export function componentsFile(): string {
	return join(trackingDir(), "components", "cgroup.procs");
}

export function memberPids(): number[] {
	const pids = cgroupFolders().flatMap(readPids);
	// In a hierarchy of version 1 the pod's processes are members too, so most pids come several times.
	return [...new Set(pids)].filter((pid) => pid > 0);
}

/** Cgroups disappear a moment after their last process. */
export async function removeCgroups(): Promise<void> {
	const deadline = performance.now() + 5_000;
	while (performance.now() < deadline) {
		const folders = cgroupFolders();
		if (folders.length === 0) return;
		for (const folder of folders) {
			try {
				rmdirSync(folder);
			} catch {
				// Still busy: the next round.
			}
		}
		await sleep(20);
	}
}

/** Children before their parents. */
export function cgroupFolders(): string[] {
	return hierarchies().flatMap(({ mountPoint }) => withChildren(join(mountPoint, name)));
}

function withChildren(folder: string): string[] {
	try {
		const children = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
		return [...children.flatMap((entry) => withChildren(join(folder, entry.name))), folder];
	} catch {
		return [];
	}
}

function readPids(folder: string): number[] {
	try {
		return readFileSync(join(folder, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);
	} catch {
		return [];
	}
}
