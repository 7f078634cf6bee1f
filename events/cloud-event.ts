import { randomUUID } from "node:crypto";
import { ScalerError } from "../common/error.ts";
import { parseJson } from "./json.ts";
import { type PoolEvent, poolEventSchema, poolEventTypes } from "./schema.ts";
import { parseEventSubject } from "./subject.ts";

/** The largest message that is read; a snapshot of 1,000 daemons is about 100 KiB. NATS itself stops at 1 MiB. */
const maxEventBytes = 1024 * 1024;
/** Of CloudEvents; another one may mean anything. */
const specVersion = "1.0";

/** Why a message is no event. Metric label, log field and docs/events.md use the same words. */
export const invalidCauses = [
	"tooLarge",
	"notJson",
	"notCloudEvent",
	"foreignVersion",
	"unknownType",
	"wrongField",
	"wrongSubject",
] as const;
export type InvalidCause = (typeof invalidCauses)[number];

/** What became of a message that was read. */
export type Decoded =
	/** `time`: when its sender says that it was sent, in ms since 1970. */
	| { readonly t: "event"; readonly event: PoolEvent; readonly time: number }
	| { readonly t: "invalid"; readonly cause: InvalidCause; readonly error: ScalerError };

/** CloudEvents 1.0, JSON format, structured mode (CloudEvents spec, "JSON Event Format" 3). */
export function encodeCloudEvent(event: PoolEvent, wallTimeMs: number): string {
	const { type, ...data } = event;
	return JSON.stringify({
		specversion: specVersion,
		id: randomUUID(),
		source: `/proxies/${event.snapshot.proxy}`,
		type,
		time: new Date(wallTimeMs).toISOString(),
		datacontenttype: "application/json",
		data,
	});
}

/**
 * Reads one message. EVENT_INVALID, naming the field, for anything but a valid event whose namespace, pool and type are
 * those of the subject: a NATS account may be allowed to publish for its own pools only. Never throws.
 */
export function decodeCloudEvent(subject: string, payload: Uint8Array): Decoded {
	const invalid = (cause: InvalidCause, why: string): Decoded => ({
		t: "invalid",
		cause,
		error: new ScalerError("EVENT_INVALID", `event on ${subject.slice(0, 200)}: ${why}`),
	});
	if (payload.length > maxEventBytes)
		return invalid("tooLarge", `${payload.length} bytes, more than ${maxEventBytes}`);
	let message: unknown;
	try {
		message = parseJson(payload);
	} catch {
		return invalid("notJson", "not JSON");
	}
	if (!isObject(message) || !isObject(message["data"]))
		return invalid("notCloudEvent", "not a CloudEvent with data");
	const { specversion, data, type } = message;
	if (specversion !== specVersion)
		return invalid("foreignVersion", `specversion: must be "${specVersion}"${not(specversion)}`);
	if (!poolEventTypes.some((known) => known === type))
		return invalid("unknownType", `type: unknown to this version${not(type)}`);
	const parsed = poolEventSchema.safeParse({ ...data, type });
	if (!parsed.success) {
		const [issue] = parsed.error.issues;
		return invalid("wrongField", `data.${issue?.path.join(".")}: ${issue?.message}`);
	}
	const event = parsed.data;
	const address = parseEventSubject(subject);
	if (address?.namespace !== event.namespace || address.pool !== event.pool || address.type !== event.type)
		return invalid("wrongSubject", `data is of ${event.namespace}/${event.pool} ${event.type}`);
	return { t: "event", event, time: timeOf(message["time"]) };
}

/** Only people read it, so that a wrong one is no reason to drop an event; NaN then. */
function timeOf(time: unknown): number {
	return typeof time === "string" ? Date.parse(time) : Number.NaN;
}

/** What somebody else wrote, short enough for one line. */
function not(value: unknown): string {
	return typeof value === "string" ? `, not ${JSON.stringify(value.slice(0, 60))}` : "";
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
