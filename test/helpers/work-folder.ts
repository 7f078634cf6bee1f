import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Cleanup } from "./cleanup.ts";

/** A folder in memory, so that no disk is measured; removed with the scenario. */
export function workFolder(cleanup: Cleanup): string {
	const memory = "/dev/shm";
	const dir = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), "bks-bench-"));
	cleanup.add(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
	return dir;
}
