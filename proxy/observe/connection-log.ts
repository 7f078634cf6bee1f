import type { Logger } from "../../common/log.ts";
import type { CloseReason } from "../../events/schema.ts";
import type { ConnectionMove, MovedBuild } from "../connection/move.ts";
import { TokenBucket } from "../hold/token-bucket.ts";

/** Ends of what was never a build and is nobody's mistake: probes, and questions that were answered. */
const unremarkable: ReadonlySet<CloseReason> = new Set(["noPreface", "noRequest", "noBuild", "noWake"]);

/** Warnings of one reason at once, and how often one more: a scan must not fill the disk. */
const warningBurst = 10;
const warningRefillMs = 10_000;

interface Warnings {
	readonly bucket: TokenBucket;
	suppressed: number;
}

/**
 * Writes a connection's life as structured lines, each with its id, which events have too. At level info a build has
 * three: it waits, it is served, it ended.
 */
export class ConnectionLog {
	readonly #log: Logger;
	/** A closed set of reasons. */
	readonly #warnings = new Map<CloseReason, Warnings>();

	constructor(log: Logger) {
		this.#log = log;
	}

	/** A client that was closed before it got a connection's life, or an id. */
	turnedAway(client: string, reason: CloseReason, message: string, at: number): void {
		const fields = { client, reason, message };
		if (unremarkable.has(reason)) this.#log.debug(fields, "client turned away");
		else this.#warn(fields, reason, at, "client turned away");
	}

	moved(move: ConnectionMove): void {
		const { from, state, daemon, reason, message, build } = move;
		const who = whoIs(move);
		const isBuild = build?.purpose === "build";
		switch (state) {
			case "opening":
				return;
			case "waiting":
				if (from === "dialing") this.#log.debug({ ...who, daemon }, "daemon failed, build waits again");
				else this.#log[isBuild ? "info" : "debug"](who, isBuild ? "build waiting" : "question waiting");
				return;
			case "dialing":
				this.#log.debug({ ...who, daemon }, "build assigned");
				return;
			case "live": {
				const words = isBuild ? "build served" : "question served";
				this.#log[isBuild ? "info" : "debug"]({ ...who, daemon, ...waitOf(build) }, words);
				return;
			}
			case "failing": {
				if (reason === undefined) return;
				const fields = { ...who, reason, message, ...waitOf(build) };
				if (unremarkable.has(reason)) this.#log.debug(fields, "client told why");
				else this.#warn(fields, reason, move.at, build === undefined ? "client refused" : "build refused");
				return;
			}
			case "closed":
				return this.#closed(move, who);
		}
	}

	#closed(move: ConnectionMove, who: object): void {
		const { from, at, daemon, reason, message, build, bytesFromClient, bytesFromDaemon } = move;
		if (reason === undefined) return;
		const fields = { ...who, reason, message };
		const isQuiet =
			from === "failing" || unremarkable.has(reason) || (from === "opening" && message === undefined);
		if (isQuiet || (build !== undefined && build.purpose !== "build")) {
			this.#log.debug(fields, "connection closed");
		} else if (build !== undefined && (from === "live" || reason === "clientGone")) {
			const durationMs = Math.round(at - build.openedAt);
			const bytes = { bytesFromClient, bytesFromDaemon };
			this.#log.info({ ...fields, daemon, ...waitOf(build), durationMs, ...bytes }, "build ended");
		} else {
			this.#warn(fields, reason, at, "connection closed");
		}
	}

	#warn(fields: object, reason: CloseReason, at: number, words: string): void {
		const warnings = this.#warnings.get(reason) ?? {
			bucket: new TokenBucket(warningBurst, warningRefillMs, at),
			suppressed: 0,
		};
		this.#warnings.set(reason, warnings);
		if (!warnings.bucket.take(at)) {
			warnings.suppressed++;
			return;
		}
		const { suppressed } = warnings;
		warnings.suppressed = 0;
		this.#log.warn(suppressed === 0 ? fields : { ...fields, suppressed }, words);
	}
}

/** pino leaves out what is undefined. */
function whoIs({ id, client, origin: { listener, serverName, identity } }: ConnectionMove): object {
	return { connection: id, client, listener, serverName, identity };
}

function waitOf(build: MovedBuild | undefined): object {
	if (build === undefined) return {};
	const { wake, queue, dial, firstByte } = build.wait;
	return {
		waitMs: Math.round(wake + queue + dial + firstByte),
		wakeMs: Math.round(wake),
		queueMs: Math.round(queue),
		dialMs: Math.round(dial),
		firstByteMs: Math.round(firstByte),
	};
}
