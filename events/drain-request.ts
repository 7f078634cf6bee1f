import { z } from "zod";
import { ScalerError } from "../common/error.ts";
import type { InvalidCause } from "./cloud-event.ts";
import { parseJson } from "./json.ts";
import type { PoolName } from "./schema.ts";
import { idSchema, nameSchema } from "./schema.ts";

/**
 * How long a proxy gives a daemon no new builds after it was asked to. Whoever asks repeats it for as long as somebody
 * wants the daemon to end; when nobody does any more, it is used again after this.
 */
export const drainMarkMs = 60_000;
/** How often it is repeated. A proxy that was not heard or did not know the daemon yet hears the next one. */
export const drainRepeatMs = 5_000;

/** Three names. */
const maxRequestBytes = 4_096;

const drainRequestSchema = z.object({ namespace: nameSchema, pool: nameSchema, daemon: idSchema });

/** A scaler's word to every proxy of a pool: no new builds for this daemon. Their snapshots confirm it (`draining`). */
export type DrainRequest = z.infer<typeof drainRequestSchema>;

export function encodeDrainRequest(request: DrainRequest): string {
	return JSON.stringify(request);
}

export type DecodedDrainRequest =
	| { readonly t: "request"; readonly request: DrainRequest }
	| { readonly t: "invalid"; readonly cause: InvalidCause; readonly error: ScalerError };

/** Reads one message. EVENT_INVALID for anything but a request that concerns `expected`. Never throws. */
export function decodeDrainRequest(payload: Uint8Array, expected: PoolName): DecodedDrainRequest {
	const invalid = (cause: InvalidCause, why: string): DecodedDrainRequest => ({
		t: "invalid",
		cause,
		error: new ScalerError(
			"EVENT_INVALID",
			`request to drain in ${expected.namespace}/${expected.pool}: ${why}`,
		),
	});
	if (payload.length > maxRequestBytes)
		return invalid("tooLarge", `${payload.length} bytes, more than ${maxRequestBytes}`);
	let message: unknown;
	try {
		message = parseJson(payload);
	} catch {
		return invalid("notJson", "not JSON");
	}
	const parsed = drainRequestSchema.safeParse(message);
	if (!parsed.success) {
		const [issue] = parsed.error.issues;
		return invalid("wrongField", `${issue?.path.join(".")}: ${issue?.message}`);
	}
	const { namespace, pool } = parsed.data;
	if (namespace !== expected.namespace || pool !== expected.pool)
		return invalid("wrongSubject", `is of ${namespace}/${pool}`);
	return { t: "request", request: parsed.data };
}
