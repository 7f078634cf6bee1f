import { randomUUID } from "node:crypto";
import { ScalerError } from "../common/error.ts";
import { type PoolEvent, poolEventSchema } from "./schema.ts";
import { parseEventSubject } from "./subject.ts";

/** The largest message that is read; a snapshot of 1,000 daemons is about 100 KiB. NATS itself stops at 1 MiB. */
const maxEventBytes = 1024 * 1024;

/** CloudEvents 1.0, JSON format, structured mode (CloudEvents spec, "JSON Event Format" 3). */
export function encodeCloudEvent(event: PoolEvent, wallTimeMs: number): string {
	const { type, ...data } = event;
	return JSON.stringify({
		specversion: "1.0",
		id: randomUUID(),
		source: `/proxies/${event.snapshot.proxy}`,
		type,
		time: new Date(wallTimeMs).toISOString(),
		datacontenttype: "application/json",
		data,
	});
}

/**
 * Reads one message. Throws EVENT_INVALID, naming the field, for anything but a valid event whose namespace, pool and
 * type are those of the subject: a NATS account may be allowed to publish for its own pools only.
 */
export function decodeCloudEvent(subject: string, payload: Uint8Array): PoolEvent {
	const invalid = (why: string, cause?: unknown) =>
		new ScalerError("EVENT_INVALID", `event on ${subject.slice(0, 200)}: ${why}`, { cause });
	if (payload.length > maxEventBytes) throw invalid(`${payload.length} bytes, more than ${maxEventBytes}`);
	let message: unknown;
	try {
		message = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
	} catch (cause) {
		throw invalid("not JSON", cause);
	}
	if (!isObject(message) || !isObject(message["data"])) throw invalid("not a CloudEvent with data");
	const parsed = poolEventSchema.safeParse({ ...message["data"], type: message["type"] });
	if (!parsed.success) {
		const [issue] = parsed.error.issues;
		throw invalid(`${issue?.path.join(".")}: ${issue?.message}`);
	}
	const address = parseEventSubject(subject);
	const { namespace, pool, type } = parsed.data;
	if (address?.namespace !== namespace || address.pool !== pool || address.type !== type)
		throw invalid(`data is of ${namespace}/${pool} ${type}`);
	return parsed.data;
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
