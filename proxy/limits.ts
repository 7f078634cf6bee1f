/** Bounds on what a client or a daemon can make the proxy hold or wait for. */
export interface Limits {
	/** Accepted connections of a pool; the next one is closed at once. */
	readonly maxConnections: number;
	/** Builds in the queue; the next one is told that the queue is full. */
	readonly maxQueue: number;
	/** From accept to the first request, and from our SETTINGS to their ACK. */
	readonly handshakeMs: number;
	/** What a waiting client may send. grpc-go stops by itself at its 65,535-byte window. */
	readonly maxHeldBytes: number;
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
}

export const defaultLimits: Limits = {
	maxConnections: 20_000,
	maxQueue: 10_000,
	handshakeMs: 10_000,
	maxHeldBytes: 256 * 1024,
	maxUnreadBytes: 64 * 1024,
	lingerMs: 5_000,
	statusMs: 500,
	firstByteMs: 30_000,
	connectMs: 5_000,
};
