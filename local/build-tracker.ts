import type { ConnectionMove } from "../proxy/connection/move.ts";
import type { BuildObservation } from "./observation.ts";

/** What of a move the tracker reads. */
export type TrackedMove = Pick<ConnectionMove, "id" | "state" | "at" | "daemon" | "reason">;

export interface BuildTrackerDeps {
	readonly cooldownMs: number;
	readonly isPoolAsleep: () => boolean;
	readonly observe: (observation: BuildObservation) => void;
}

interface Tracked {
	readonly openedAt: number;
	/** Its number, once it is known to be a client's. */
	build?: number;
}

/** Turns the proxy's connections into numbered builds. What never waited was no build, and is not mentioned. */
export class BuildTracker {
	readonly #deps: BuildTrackerDeps;
	readonly #byId = new Map<string, Tracked>();
	#builds = 0;
	#running = 0;

	constructor(deps: BuildTrackerDeps) {
		this.#deps = deps;
	}

	moved({ id, state, at, daemon = "", reason = "clientClosed" }: TrackedMove): void {
		const tracked = this.#byId.get(id) ?? { openedAt: at };
		this.#byId.set(id, tracked);
		if (state === "closed") this.#byId.delete(id);
		const { observe, isPoolAsleep, cooldownMs } = this.#deps;
		const afterMs = at - tracked.openedAt;
		if (state === "waiting" && tracked.build === undefined) {
			this.#running++;
			tracked.build = ++this.#builds;
			return observe({ t: "buildWaiting", at, build: tracked.build, afterMs, poolAsleep: isPoolAsleep() });
		}
		const { build } = tracked;
		if (build === undefined) return;
		switch (state) {
			// Back in the queue, as its daemon went away before it answered.
			case "waiting":
			case "opening":
				return;
			case "dialing":
				return observe({ t: "buildAssigned", at, build, daemon });
			case "live":
				return observe({ t: "buildServed", at, build, daemon, afterMs });
			case "failing":
			case "closed": {
				// Whichever comes first tells it.
				delete tracked.build;
				observe({ t: "buildEnded", at, build, reason, afterMs });
				if (--this.#running === 0) observe({ t: "idle", at, cooldownMs });
				return;
			}
		}
	}
}
