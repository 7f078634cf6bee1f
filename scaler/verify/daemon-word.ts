import type { ServiceError } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";

/** What a daemon says about itself. */
export type DaemonWord =
	| { readonly t: "builds"; readonly count: number }
	/** Nobody listens there: it has no builds. */
	| { readonly t: "down" }
	| { readonly t: "unknown"; readonly why: string };

/** A daemon that was asked for its builds and answered with a failure. */
export function wordOfFailure(error: ServiceError, askedForMs: number): DaemonWord {
	const details = error.details ?? error.message;
	switch (error.code) {
		case status.UNAVAILABLE:
			// What grpc-js keeps of a connect that the kernel refused; ENOENT is a unix socket that is not there.
			if (/ECONNREFUSED|ENOENT/.test(details)) return { t: "down" };
			return { t: "unknown", why: details.split("\n")[0] ?? details };
		case status.DEADLINE_EXCEEDED:
			return { t: "unknown", why: `no answer within ${askedForMs / 1000} s` };
		case status.UNIMPLEMENTED:
			return { t: "unknown", why: "it is older than v0.12.4 and cannot be asked" };
		default:
			return { t: "unknown", why: details };
	}
}
