import { type ErrorCode, ScalerError } from "../common/error.ts";
import { innermost, isTimeout, statusCodeOf } from "./api-failure.ts";

/** Somebody else wrote first: read, and decide anew. */
export function isConflict(error: ScalerError): boolean {
	return error.code === "KUBERNETES_CONFLICT";
}

/**
 * What the client threw, as a KUBERNETES_… error with one readable line. `what`: of which object, such as
 * "the scale of StatefulSet builds/buildkitd"; `needs`: the rule that a Role must have for it.
 */
export function apiError(cause: unknown, what: string, needs: string): ScalerError {
	const error = (code: ErrorCode, why: string) => new ScalerError(code, `${what}: ${why}`, { cause });
	const status = statusCodeOf(cause);
	switch (status) {
		case 401:
			return error("KUBERNETES_FORBIDDEN", "the Kubernetes API does not accept our credentials (401)");
		case 403:
			return error("KUBERNETES_FORBIDDEN", `forbidden (403): the service account needs ${needs}`);
		case 404:
			return error("KUBERNETES_NOT_FOUND", "there is none (404)");
		case 409:
			return error("KUBERNETES_CONFLICT", "somebody else changed it meanwhile (409)");
		case undefined:
			return error(
				"KUBERNETES_FAILED",
				isTimeout(cause)
					? "the Kubernetes API did not answer in time"
					: `no usable answer from the Kubernetes API: ${innermost(cause)}`,
			);
		default:
			return error("KUBERNETES_FAILED", `the Kubernetes API answered ${status}`);
	}
}
