import { afterAll, beforeAll } from "vitest";
import { type Lock, takeLock } from "../../cluster/lock.ts";

const TIMEOUT_MS = 900_000;

/** Called first in a test file that starts clusters: vitest may run such files side by side, the machine holds one. */
export function oneClusterFileAtATime(): void {
	let lock: Lock | undefined;
	beforeAll(async () => {
		lock = await takeLock("cluster-tests", TIMEOUT_MS);
	}, TIMEOUT_MS);
	afterAll(() => lock?.release());
}
