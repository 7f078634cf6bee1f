import { DiscardPolicy, nanos, RetentionPolicy, StorageType, type StreamConfig } from "nats";
import { ScalerError } from "../common/error.ts";
import { type NatsLink, natsReason } from "./nats-link.ts";
import { eventsSubject } from "./subject.ts";

/** How much history is kept; the oldest goes first. */
export interface HistoryLimits {
	readonly maxAgeMs: number;
	readonly maxBytes: number;
	/** Servers that keep a copy. */
	readonly replicas: number;
}

export const streamName = "BUILDKIT_EVENTS";
/** nats-server's own default, which must not be longer than the age. */
const duplicateWindowMs = 120_000;
/** JetStream's err_code for a stream that is not there. */
const streamNotFound = 10_059;

/**
 * Makes the JetStream stream that keeps every event, or gives it these limits. Proxies publish as ever: NATS takes the
 * messages into the stream by their subject, and whoever listens live is not delayed. Throws NATS_FAILED.
 */
export async function ensureStream(
	link: NatsLink,
	{ maxAgeMs, maxBytes, replicas }: HistoryLimits,
): Promise<"created" | "updated" | "unchanged"> {
	const limits = {
		subjects: [eventsSubject()],
		max_age: nanos(maxAgeMs),
		max_bytes: maxBytes,
		num_replicas: replicas,
		duplicate_window: nanos(Math.min(duplicateWindowMs, maxAgeMs)),
	};
	try {
		const { streams } = await link.streamManager();
		const known = await streams.info(streamName).catch((error: unknown) => {
			if (errorCode(error) !== streamNotFound) throw error;
		});
		if (known === undefined) {
			const fixed = {
				name: streamName,
				storage: StorageType.File,
				retention: RetentionPolicy.Limits,
				discard: DiscardPolicy.Old,
			};
			await streams.add({ ...fixed, ...limits });
			return "created";
		}
		if (hasLimits(known.config, limits)) return "unchanged";
		await streams.update(streamName, limits);
		return "updated";
	} catch (cause) {
		throw new ScalerError("NATS_FAILED", `the stream ${streamName}: ${streamTrouble(cause)}`, { cause });
	}
}

/** Words for people for what went wrong with JetStream. */
export function streamTrouble(error: unknown): string {
	// Nobody listens on JetStream's subjects: nats-server runs without it, or it is off for this account.
	return errorCode(error) === "503" ? "NATS has no JetStream here" : natsReason(error);
}

function hasLimits(config: StreamConfig, limits: Partial<StreamConfig>): boolean {
	const has: Readonly<Record<string, unknown>> = { ...config };
	return Object.entries(limits).every(([key, value]) => String(has[key]) === String(value));
}

/** JetStream's own where the error has one, else the nats client's. */
function errorCode(error: unknown): unknown {
	if (!(error instanceof Error)) return undefined;
	const { api_error: apiError, code } = { api_error: undefined, code: undefined, ...error };
	if (typeof apiError === "object" && apiError !== null && "err_code" in apiError)
		return apiError["err_code"];
	return code;
}
