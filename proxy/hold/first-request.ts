/**
 * RPCs that are a connection's first only when the build is over: its daemon died, or it failed before it began, and the
 * client has connected anew (seen with buildctl v0.33.1 and buildx v0.30.1). Held, the trace export would keep the
 * client's error from its user for up to 30 s, and wake a daemon for nothing.
 */
const orphanPaths = [
	"/opentelemetry.proto.collector.trace.v1.TraceService/",
	"/moby.buildkit.v1.frontend.LLBBridge/",
];

/** Whether a connection whose first request has these headers belongs to a build that is over. */
export function isOrphan(headers: ReadonlyMap<string, string>): boolean {
	const path = headers.get(":path") ?? "";
	return orphanPaths.some((prefix) => path.startsWith(prefix));
}
