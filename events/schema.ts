/**
 * What proxies tell the world: CloudEvents 1.0 whose data carries the sender's snapshot.
 * This file is the contract; docs/events.md explains it.
 */
import { z } from "zod";

/** How long a snapshot is believed after it was received. */
export const leaseMs = 15_000;
/** How often a proxy repeats its state when nothing changes: three heartbeats fit in a lease. */
export const heartbeatMs = 5_000;

/** Namespace and pool names become NATS subject tokens and metric labels, so they are DNS labels (RFC 1123). */
export const nameSchema = z
	.string()
	.max(63)
	.regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, "must be a DNS label: lower-case letters, digits and '-'");

const countSchema = z.int().min(0).max(1_000_000);
export const idSchema = z.string().min(1).max(253);

/** Why a connection ended. Metric label, event field and documentation (docs/errors.md) use the same words. */
export const closeReasons = [
	// Never counted as a build: not a BuildKit client, or one that wants no daemon.
	"noPreface",
	"notHttp2",
	"http1",
	"tls",
	"notTls",
	"tlsFailed",
	"unknownServerName",
	"noRequest",
	"noBuild",
	"noWake",
	"badCertificate",
	"notAllowed",
	"tooManyConnections",
	"tooManyFromAddress",
	"tooManyHandshakes",
	"headersTooLarge",
	// Counted, and ended before a daemon answered.
	"clientGone",
	"protocolError",
	"heldTooMuch",
	"holdFull",
	"tooManyPings",
	"tooManyStreams",
	"noSettingsAck",
	"waitTimeout",
	"passthroughWait",
	"queueFull",
	// Served.
	"clientClosed",
	"daemonClosed",
	"clientFailed",
	"daemonFailed",
	"clientFrozen",
	"idleOnDrain",
	// The proxy is going away.
	"proxyStopping",
	"internalError",
] as const;
export type CloseReason = (typeof closeReasons)[number];

const daemonLoadSchema = z.object({
	name: idSchema,
	/** Where it listens, HOST:PORT or unix:PATH, for those who ask it whether it builds. Not said by early versions. */
	address: z.string().max(300).optional(),
	/** The StatefulSet ordinal, or null where daemons have no order. */
	ordinal: countSchema.nullable(),
	/** Builds on the daemon: assigned connections with traffic in both directions within the last 30 s. */
	active: countSchema,
	/** Silent connections: no build is behind them. */
	idle: countSchema,
	/** It gets no new builds: it is about to go, is gone but for its last connections, or a scaler asked for that. */
	draining: z.boolean(),
});

/** A proxy's absolute state of one pool. Never an increment: a lost or repeated message cannot make counts drift. */
const snapshotSchema = z.object({
	proxy: idSchema,
	/** Larger for each start of the same proxy: milliseconds since 1970 at its start. */
	incarnation: z.int().min(0),
	/** Grows by one with each event of this incarnation and pool. */
	sequence: z.int().min(0),
	/** Builds a daemon takes at once. */
	capacity: z.int().min(1).max(10_000),
	waiting: countSchema,
	/** HOST:PORT of its admin server, where its snapshots can be read (GET /snapshots) when the bus fails. */
	admin: z.string().max(300).optional(),
	/** Age in ms of the longest wait, 0 when nobody waits. */
	oldestWaitMs: z.int().min(0),
	daemons: z.array(daemonLoadSchema).max(10_000),
});

const openedSchema = z.object({ id: idSchema, client: z.string().max(300) });
const assignedSchema = z.object({ id: idSchema, daemon: idSchema, waitMs: z.int().min(0) });
const closedSchema = z.object({
	id: idSchema,
	daemon: idSchema.nullable(),
	reason: z.enum(closeReasons),
	waitMs: z.int().min(0),
	durationMs: z.int().min(0),
	bytesFromClient: z.int().min(0),
	bytesFromDaemon: z.int().min(0),
});

const pool = { namespace: nameSchema, pool: nameSchema, snapshot: snapshotSchema };

/** One message of a proxy about one pool, tagged by its CloudEvents type. */
export const poolEventSchema = z.discriminatedUnion("type", [
	z.object({ type: z.literal("connection.opened"), ...pool, connection: openedSchema }),
	z.object({ type: z.literal("connection.assigned"), ...pool, connection: assignedSchema }),
	z.object({ type: z.literal("connection.closed"), ...pool, connection: closedSchema }),
	z.object({ type: z.literal("proxy.state"), ...pool }),
	z.object({ type: z.literal("proxy.stopped"), ...pool }),
	z.object({ type: z.literal("daemon.draining"), ...pool, daemon: idSchema }),
]);

/** What GET /snapshots of a proxy answers: the second path to what it says on the bus. */
export const snapshotsSchema = z.object({ snapshots: z.array(z.object(pool)).max(10_000) });

export type PoolSnapshot = z.infer<typeof snapshotsSchema>["snapshots"][number];
export type DaemonLoad = z.infer<typeof daemonLoadSchema>;
export type Snapshot = z.infer<typeof snapshotSchema>;
export type PoolEvent = z.infer<typeof poolEventSchema>;
export type PoolEventType = PoolEvent["type"];

export const poolEventTypes: readonly PoolEventType[] = poolEventSchema.options.map(
	({ shape }) => shape.type.value,
);
/** A pool by its two names. */
export type PoolName = Pick<PoolEvent, "namespace" | "pool">;
