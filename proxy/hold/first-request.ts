/**
 * What a connection is for, by its first request: a build; a question about the pool, which does not need a daemon
 * enough to start one; or an orphan, which belongs to a build that is over.
 */
export type Purpose = "build" | "status" | "orphan";

/**
 * RPCs that are a connection's first only when the build is over: its daemon died, or it failed before it began, and the
 * client has connected anew (seen with buildctl v0.33.1 and buildx v0.30.1). Held, the trace export would keep the
 * client's error from its user for up to 30 s, and wake a daemon for nothing.
 */
const orphanPaths = [
	"/opentelemetry.proto.collector.trace.v1.TraceService/",
	"/moby.buildkit.v1.frontend.LLBBridge/",
];

/** The first RPC of builds too, but `buildx ls`, `inspect` and `create` give it 20 s and builds no deadline at all. */
const listWorkers = "/moby.buildkit.v1.Control/ListWorkers";
/** `buildx du`, `buildctl du`. */
const diskUsage = "/moby.buildkit.v1.Control/DiskUsage";

/** Reads the headers of a connection's first request. */
export function purposeOf(headers: ReadonlyMap<string, string>): Purpose {
	const path = headers.get(":path") ?? "";
	if (orphanPaths.some((prefix) => path.startsWith(prefix))) return "orphan";
	if (path === diskUsage || (path === listWorkers && headers.has("grpc-timeout"))) return "status";
	return "build";
}
