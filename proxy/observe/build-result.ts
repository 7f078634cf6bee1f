import type { CloseReason } from "../../events/schema.ts";

/** How builds end, in the few words of a metric; docs/errors.md has the reasons behind them. */
export type BuildResult = "completed" | "broken" | "abandoned" | "refused";

/** A silent connection had no build any more. */
const peaceful: ReadonlySet<CloseReason> = new Set(["clientClosed", "daemonClosed", "idleOnDrain"]);

/**
 * `completed`: a daemon served it and one side ended in peace; whether the build itself succeeded, only its client
 * knows. `broken`: a connection was lost after that. `abandoned`: its client left while it waited. `refused`: it was
 * told why it gets no daemon, or thrown out.
 */
export function buildResult(reason: CloseReason, served: boolean): BuildResult {
	if (served) return peaceful.has(reason) ? "completed" : "broken";
	return reason === "clientGone" ? "abandoned" : "refused";
}
