import { Counter, type Registry } from "prom-client";
import type { Clock } from "../common/clock.ts";
import type { ScalerError } from "../common/error.ts";
import type { Logger } from "../common/log.ts";
import { OnceAMinute } from "../common/once-a-minute.ts";
import type { InvalidCause } from "./cloud-event.ts";

/** Why a message came to nothing: it was no event, a listener of ours failed on it, or NATS did not take it. */
type DropCause = InvalidCause | "listenerFailed" | "notTaken";

export type OnInvalid = (error: ScalerError, cause: DropCause) => void;

/** Counts every message that was dropped; of each cause one a minute is logged. For `NatsBusOptions.onInvalid`. */
export function invalidEvents(
	part: "proxy" | "scaler",
	{ clock, log, registry }: { readonly clock: Clock; readonly log: Logger; readonly registry: Registry },
): OnInvalid {
	const counter = new Counter({
		name: `buildkit_${part}_invalid_events_total`,
		help: "Messages that were dropped, by cause (docs/events.md)",
		labelNames: ["cause"],
		registers: [registry],
	});
	const lines = new OnceAMinute(clock);
	return (error, cause) => {
		counter.inc({ cause });
		const moreBefore = lines.admit(cause);
		if (moreBefore !== undefined) log.warn({ cause, error: error.message, moreBefore }, "invalid event");
	};
}
