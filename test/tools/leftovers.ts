import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { toolsDir } from "./paths.ts";

const OLD_MS = 3_600_000;

/** Removes what interrupted builds left in .tools; by age, as a younger one may be another run's. */
export function removeLeftovers(prefix: string): void {
	for (const name of readdirSync(toolsDir)) {
		const path = join(toolsDir, name);
		if (name.startsWith(prefix) && Date.now() - statSync(path).mtimeMs > OLD_MS) {
			rmSync(path, { recursive: true, force: true });
		}
	}
}
