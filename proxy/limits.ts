/** Bounds on what a client or a daemon can make the proxy hold or wait for; docs/limits.md has them all. */
export interface Limits {
	/** Accepted connections of a pool; the next one is closed at once. */
	readonly maxConnections: number;
	/** Of those, from one client address. Behind a NAT or a load balancer many clients share one. */
	readonly maxConnectionsPerAddress: number;
	/** Of those, without a request yet. As many as the queue takes: 8,000 clients at once are all here before the first one has asked. */
	readonly maxOpening: number;
	/** TLS handshakes of a pool at once, and hellos of a listener; the next client is closed at once. */
	readonly maxHandshakes: number;
	/** Builds in the queue; the next one is told that the queue is full. */
	readonly maxQueue: number;
	/** From accept to the first request, and from our SETTINGS to their ACK. */
	readonly handshakeMs: number;
	/** What a waiting client may send. grpc-go stops by itself at its 65,535-byte window. */
	readonly maxHeldBytes: number;
	/** What all waiting clients of the proxy may send together. */
	readonly maxTotalHeldBytes: number;
	/** PINGs of a held client that are answered at once, and how often one more. */
	readonly pingBurst: number;
	readonly pingRefillMs: number;
	/** Streams that a client may have open before it has a daemon. */
	readonly maxHeldStreams: number;
	/** Unread answers (PING ACKs, failures) that a client may let pile up. */
	readonly maxUnreadBytes: number;
	/** How long a failed client may stay to read the reason. */
	readonly lingerMs: number;
	/** A question about the pool finds a daemon within this, or is answered without one: its user expects no wait. */
	readonly statusMs: number;
	/** A daemon that accepted and was sent the held bytes must answer within this. */
	readonly firstByteMs: number;
	/** A daemon must accept the connection within this. */
	readonly connectMs: number;
	/** A connection that is silent for this long is probed, to learn whether its peer's host still lives. */
	readonly keepAliveMs: number;
	/** Each next probe comes after this. */
	readonly keepAliveIntervalMs: number;
	/** So many probes without an answer end the connection. */
	readonly keepAliveProbes: number;
	/**
	 * Bytes that a peer has not acknowledged for so long end its connection, and so do bytes that it has had no room for. By
	 * then BuildKit's own health check has given up: a stall of 25 s it survives, one of 60 s it does not.
	 */
	readonly unackedMs: number;
	/** A client that leaves its daemon without an answer for so long is ended: its process was stopped. */
	readonly frozenAfterMs: number;
}

export const defaultLimits: Limits = {
	maxConnections: 20_000,
	maxConnectionsPerAddress: 1_000,
	maxOpening: 10_000,
	maxHandshakes: 1_000,
	maxQueue: 10_000,
	handshakeMs: 10_000,
	maxHeldBytes: 256 * 1024,
	maxTotalHeldBytes: 256 * 1024 * 1024,
	pingBurst: 100,
	pingRefillMs: 1_000,
	maxHeldStreams: 1_000,
	maxUnreadBytes: 64 * 1024,
	lingerMs: 5_000,
	statusMs: 500,
	firstByteMs: 30_000,
	connectMs: 5_000,
	keepAliveMs: 15_000,
	keepAliveIntervalMs: 10_000,
	keepAliveProbes: 3,
	unackedMs: 45_000,
	frozenAfterMs: 300_000,
};
