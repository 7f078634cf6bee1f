import { readdirSync, readlinkSync } from "node:fs";
import { expect } from "vitest";
import type { TestProxy } from "./test-proxy.ts";

/** Sockets of this process: the proxy's, the test's own, and those that the test runner has all the time. */
function openSockets(): number {
	return readdirSync("/proc/self/fd").filter(isSocket).length;
}

function isSocket(fd: string): boolean {
	try {
		return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:");
	} catch {
		// Closed while we looked.
		return false;
	}
}

/**
 * Counts what there is now; the function that it returns resolves once there is no more than that, and no connection and
 * no demand. Call it before the first client comes, when everything else runs.
 */
export function watchForLeaks(tested: TestProxy): () => Promise<void> {
	const sockets = openSockets();
	const timers = tested.clock.pending;
	return async () => {
		await tested.until(() => tested.proxy.state().pools[0]!.connections.length === 0);
		await tested.until(() => openSockets() <= sockets);
		await tested.until(() => tested.clock.pending <= timers);
		const { waiting, daemons } = tested.events.at(-1)!.snapshot;
		const busy = daemons.filter(({ active, idle }) => active + idle > 0);
		expect({ waiting, busy }).toEqual({ waiting: 0, busy: [] });
	};
}
