/** One line for the operator about a watch of EndpointSlices in `namespace`: what is wrong and, where it can be known, what to change. */
export function describeFailure(thrown: unknown, namespace: string): string {
	const code = statusCodeOf(thrown);
	switch (code) {
		case 401:
			return "the Kubernetes API does not accept the credentials (401)";
		case 403:
			return (
				"forbidden (403): the service account needs get, list, watch on endpointslices " +
				`(discovery.k8s.io) in namespace ${namespace}`
			);
		case 404:
			return "the Kubernetes API has no discovery.k8s.io/v1 (404); Kubernetes has it since 1.21";
		case 410:
			return "the watch is too far behind (410)";
		case undefined:
			return isTimeout(thrown)
				? "the Kubernetes API was silent for too long"
				: `no usable answer from the Kubernetes API: ${innermost(thrown)}`;
		default:
			return `the Kubernetes API answered ${code}`;
	}
}

/** The library says `code` in one place and `statusCode` in the other. Node's own codes are texts. */
export function statusCodeOf(thrown: unknown): number | undefined {
	if (typeof thrown !== "object" || thrown === null) return undefined;
	const code = "statusCode" in thrown ? thrown.statusCode : "code" in thrown ? thrown.code : undefined;
	// A DOMException has numbers below 100.
	return typeof code === "number" && code >= 100 ? code : undefined;
}

/** Ended by a signal of ours, or by one of the client. */
export function isTimeout(thrown: unknown): boolean {
	return thrown instanceof Error && (thrown.name === "TimeoutError" || thrown.name === "AbortError");
}

/** One line: "fetch failed" says nothing; its cause does. */
export function innermost(thrown: unknown): string {
	if (!(thrown instanceof Error)) return String(thrown).slice(0, 200);
	if (thrown.cause instanceof Error) return innermost(thrown.cause);
	const code = "code" in thrown && typeof thrown.code === "string" ? thrown.code : thrown.name;
	return (thrown.message || code).slice(0, 200);
}
