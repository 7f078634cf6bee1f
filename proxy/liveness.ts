/**
 * A build is never silent for long: the daemon health-checks its client every 5 s inside the session stream, and each
 * check is bytes both ways (BuildKit session/grpc.go). So bytes in both directions within this window mean a build.
 */
export const livenessWindowMs = 30_000;
/** How often connections are sampled; counting costs the byte path nothing but an addition. */
export const livenessSampleMs = 5_000;

/** Tells builds from silent connections by sampling the byte counts of both directions. */
export class Liveness {
	#bytesFromClient = 0;
	#bytesFromDaemon = 0;
	#clientHeardAt: number;
	#daemonHeardAt: number;

	/** A connection that just became live counts as heard from on both sides. */
	constructor(now: number) {
		this.#clientHeardAt = now;
		this.#daemonHeardAt = now;
	}

	/** Takes the byte counts at `now` (ms); returns whether there is a build behind the connection. */
	sample(now: number, bytesFromClient: number, bytesFromDaemon: number): boolean {
		if (bytesFromClient !== this.#bytesFromClient) this.#clientHeardAt = now;
		if (bytesFromDaemon !== this.#bytesFromDaemon) this.#daemonHeardAt = now;
		this.#bytesFromClient = bytesFromClient;
		this.#bytesFromDaemon = bytesFromDaemon;
		return now - Math.min(this.#clientHeardAt, this.#daemonHeardAt) <= livenessWindowMs;
	}
}
