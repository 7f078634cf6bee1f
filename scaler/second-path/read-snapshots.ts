import { ScalerError } from "../../common/error.ts";
import { type PoolSnapshot, snapshotsSchema } from "../../events/schema.ts";

/** As much as a message on the bus may have, for each of a few pools. */
const maxBytes = 8 * 1024 * 1024;

/** GET /snapshots of a proxy's admin server. Rejects with EVENT_INVALID, or with whatever fetch does. */
export async function readSnapshots(admin: string, signal: AbortSignal): Promise<readonly PoolSnapshot[]> {
	const response = await fetch(`http://${admin}/snapshots`, { signal, redirect: "error" });
	if (response.status !== 200 || response.body === null) throw invalid(admin, `HTTP ${response.status}`);
	const chunks: Uint8Array[] = [];
	let bytes = 0;
	for await (const chunk of response.body) {
		bytes += chunk.length;
		if (bytes > maxBytes) throw invalid(admin, `more than ${maxBytes} bytes`);
		chunks.push(chunk);
	}
	let content: unknown;
	try {
		content = JSON.parse(Buffer.concat(chunks).toString("utf8"));
	} catch (cause) {
		throw invalid(admin, "not JSON", cause);
	}
	const parsed = snapshotsSchema.safeParse(content);
	if (parsed.success) return parsed.data.snapshots;
	const [issue] = parsed.error.issues;
	throw invalid(admin, `${issue?.path.join(".")}: ${issue?.message}`);
}

function invalid(admin: string, why: string, cause?: unknown): ScalerError {
	return new ScalerError("EVENT_INVALID", `snapshots of ${admin.slice(0, 200)}: ${why}`, { cause });
}
