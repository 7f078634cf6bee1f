import { afterAll, beforeAll } from "vitest";
import { type Lock, takeLock } from "../../cluster/lock.ts";

const TIMEOUT_MS = 900_000;

/**
 * Called first in every file but the one that only waits (test/first-files.ts): several measure, and a machine holds one
 * cluster.
 */
export function aloneOnTheMachine(): void {
	let lock: Lock | undefined;
	beforeAll(async () => {
		lock = await takeLock("e2e", TIMEOUT_MS);
	}, TIMEOUT_MS);
	afterAll(() => lock?.release());
}
