import { execFile } from "node:child_process";
import { readdirSync, rmdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * Deletes what a killed daemon left of its containers: runc's own record, the cgroups, the bundle. The processes and
 * mounts are gone already (kinds/buildkitd.ts). Never rejects: what stays takes a few KiB and does no other harm.
 * @param root - The daemon's --root; it must not be running.
 */
export async function deleteRuncRecords(runc: string, root: string): Promise<void> {
	for (const snapshotter of foldersIn(root).filter((name) => name.startsWith("runc-"))) {
		const bundles = join(root, snapshotter, "executor");
		await Promise.all(foldersIn(bundles).map((container) => deleteRecord(runc, join(bundles, container))));
	}
}

function foldersIn(path: string): string[] {
	try {
		const entries = readdirSync(path, { withFileTypes: true });
		return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
	} catch {
		return [];
	}
}

async function deleteRecord(runc: string, bundle: string): Promise<void> {
	try {
		await run(runc, ["delete", "--force", basename(bundle)], { timeout: 5_000 });
		// Fails while something is mounted there: no file of a snapshot may be deleted through it.
		rmdirSync(join(bundle, "rootfs"));
		rmSync(bundle, { recursive: true });
	} catch {
		// See above.
	}
}
