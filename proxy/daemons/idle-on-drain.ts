import type { Connection } from "../connection/connection.ts";
import type { DaemonEntry } from "./daemon-entry.ts";

/**
 * The silent connections that a daemon which goes need not wait for; an open ListenBuildHistory alone keeps a buildkitd
 * before v0.18 from ending. One whose client builds elsewhere in the pool stays until that build is over: it may be of the
 * same process, as old buildx opens up to four, and the address is all that tells.
 */
export function idleOnDrain(
	daemons: Iterable<DaemonEntry>,
	connections: ReadonlySet<Connection>,
): readonly Connection[] {
	const entries = [...daemons];
	const going = entries.filter(({ draining }) => draining);
	const silent = going.flatMap(({ idle }) => [...idle]);
	// Asked after each change of the daemons and every 5 s: mostly it ends here.
	if (silent.length === 0) return [];
	const building = new Set(connections);
	for (const { idle } of entries) for (const connection of idle) building.delete(connection);
	const addresses = new Set(
		[...building].map(({ origin, state }) => state.t !== "failing" && origin.address),
	);
	return silent.filter(({ origin }) => !addresses.has(origin.address));
}
