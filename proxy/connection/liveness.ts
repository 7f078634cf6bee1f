/**
 * A build is never silent for long: the daemon health-checks its client every 5 s inside the session stream, and each
 * check is bytes both ways (BuildKit session/grpc.go). So bytes in both directions within this window mean a build.
 */
export const livenessWindowMs = 30_000;
/** How often connections are sampled; counting costs the byte path nothing but an addition. */
export const livenessSampleMs = 5_000;
/** A client that lives answers within a round trip; two samples later it has not. */
const answerMs = 2 * livenessSampleMs;

/** What the byte path has counted so far. */
export interface Traffic {
	readonly fromClient: number;
	readonly fromDaemon: number;
	/** Bytes wait because the client has not taken them, which also keeps the daemon from being read. */
	readonly clientIsOwed: boolean;
	/** One of the two has ended its direction. */
	readonly halfClosed: boolean;
}

export type Verdict =
	/** A build. */
	| "active"
	/** Silent, one side or both: no build that goes on. It takes no slot and keeps no daemon. */
	| "idle"
	/** The daemon has asked again and again, and the client has said nothing for long: its process was stopped. */
	| "frozen"
	/** One side has ended, and the other one has neither ended nor said anything for long. */
	| "abandoned";

/**
 * Tells builds from silent connections by sampling the byte counts of both directions.
 *
 * A client that lives answers each heartbeat, and also what it only reads: with PING (grpc-go measures the bandwidth) and
 * WINDOW_UPDATE. To one that does not, buildkitd v0.33 speaks three times within 40 s, then it gives its session up and,
 * while a step runs, is silent too. A client that is silent beside a daemon that never asked is not frozen: old buildx keeps
 * such connections through its whole build. There is no counterpart for a frozen daemon: its clients ask nothing.
 */
export class Liveness {
	#bytesFromClient = 0;
	#bytesFromDaemon = 0;
	#clientHeardAt: number;
	#daemonHeardAt: number;
	#unanswered: Unanswered | undefined;
	readonly #frozenAfterMs: number;

	/** A connection that just became live counts as heard from on both sides. */
	constructor(now: number, frozenAfterMs: number) {
		this.#clientHeardAt = now;
		this.#daemonHeardAt = now;
		this.#frozenAfterMs = frozenAfterMs;
	}

	/** Takes what was counted until `now` (ms). */
	sample(now: number, { fromClient, fromDaemon, clientIsOwed, halfClosed }: Traffic): Verdict {
		const clientTalks = fromClient !== this.#bytesFromClient;
		const daemonTalks = fromDaemon !== this.#bytesFromDaemon;
		this.#bytesFromClient = fromClient;
		this.#bytesFromDaemon = fromDaemon;
		if (clientTalks) this.#clientHeardAt = now;
		if (daemonTalks) this.#daemonHeardAt = now;
		if (halfClosed) {
			// The side that has ended owes no answer; what both of them do not say is all there is to go by.
			const lastHeardAt = Math.max(this.#clientHeardAt, this.#daemonHeardAt);
			if (now - lastHeardAt >= this.#frozenAfterMs) return "abandoned";
		} else if (this.#isFrozen(now, clientTalks, daemonTalks || clientIsOwed)) {
			return "frozen";
		}
		const firstSilentAt = Math.min(this.#clientHeardAt, this.#daemonHeardAt);
		return now - firstSilentAt <= livenessWindowMs ? "active" : "idle";
	}

	#isFrozen(now: number, clientTalks: boolean, clientIsAddressed: boolean): boolean {
		const before = this.#unanswered;
		if (clientTalks) {
			this.#unanswered = undefined;
		} else if (clientIsAddressed) {
			// A single word may have needed no answer; it is forgotten unless another one follows soon.
			const goesOn = before !== undefined && (isIgnored(before) || now - before.last <= livenessWindowMs);
			this.#unanswered = { first: goesOn ? before.first : now, last: now };
		}
		const words = this.#unanswered;
		return words !== undefined && isIgnored(words) && now - words.first >= this.#frozenAfterMs;
	}
}

/** When a daemon has said something that its client has not answered. */
interface Unanswered {
	readonly first: number;
	readonly last: number;
}

function isIgnored({ first, last }: Unanswered): boolean {
	return last - first >= answerMs;
}
