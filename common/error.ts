/**
 * Every failure of ours is a `ScalerError` with one of these codes: callers branch on the code, users read the message.
 * docs/errors.md documents each code; a test holds the two against each other.
 */
export const errorCodes = [
	"CONFIG_INVALID",
	"LISTEN_FAILED",
	"DAEMON_UNAVAILABLE",
	"DAEMON_START_FAILED",
	"STATE_DIR_IN_USE",
	"EVENT_INVALID",
	"NATS_FAILED",
	"KUBERNETES_FORBIDDEN",
	"KUBERNETES_NOT_FOUND",
	"KUBERNETES_CONFLICT",
	"KUBERNETES_FAILED",
	"METADATA_INVALID",
	"NAMESPACE_FORBIDDEN",
	"METRIC_UNKNOWN",
	"POOL_UNKNOWN",
	"DEMAND_UNKNOWN",
	"INTERNAL",
] as const;

export type ErrorCode = (typeof errorCodes)[number];

export class ScalerError extends Error {
	readonly code: ErrorCode;

	constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
		super(message, options);
		this.name = "ScalerError";
		this.code = code;
	}

	/** Wraps anything thrown, so that whoever reports it has a code and one readable line. */
	static from(thrown: unknown): ScalerError {
		if (thrown instanceof ScalerError) return thrown;
		return new ScalerError("INTERNAL", thrown instanceof Error ? thrown.message : String(thrown), {
			cause: thrown,
		});
	}
}

/** For the `default` of an exhaustive switch: the compiler refuses the call while a case is missing. */
export function unreachable(value: never): never {
	throw new ScalerError("INTERNAL", `unexpected value: ${JSON.stringify(value)}`);
}
