/** Where in whose trace a request was made (W3C Trace Context, `traceparent`). */
export interface TraceParent {
	readonly traceId: string;
	readonly spanId: string;
	readonly sampled: boolean;
}

/** version, trace id, span id, flags; what a later version adds comes behind (W3C Trace Context, 3.2.2, 3.2.4). */
const format = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Reads a request's `traceparent`; undefined when there is none, or none that is valid. */
export function traceParentOf(headers: ReadonlyMap<string, string>): TraceParent | undefined {
	const [, version, traceId, spanId, flags = "", more] = format.exec(headers.get("traceparent") ?? "") ?? [];
	if (traceId === undefined || spanId === undefined) return undefined;
	if (version === "00" && more !== undefined) return undefined;
	return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}
