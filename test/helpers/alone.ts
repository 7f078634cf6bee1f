import { afterAll, beforeAll } from "vitest";
import { type Lock, takeLock } from "../cluster/lock.ts";

const TIMEOUT_MS = 900_000;

/** Called first in a file that measures or starts a cluster: one such file runs at a time, whatever vitest does. */
export function aloneOnTheMachine(): void {
	let lock: Lock | undefined;
	beforeAll(async () => {
		lock = await takeLock("e2e", TIMEOUT_MS);
	}, TIMEOUT_MS);
	afterAll(() => lock?.release());
}
