import type { Clock } from "../common/clock.ts";
import type { Logger } from "../common/log.ts";
import { OnceAMinute } from "../common/once-a-minute.ts";

/** Logs why NATS is not there, of each reason one line a minute. For `NatsSessionOptions.onTrouble`. */
export function natsTrouble(clock: Clock, log: Logger): (reason: string) => void {
	const lines = new OnceAMinute(clock);
	return (reason) => {
		if (lines.admit(reason) !== undefined) log.warn({ reason }, "no connection to NATS; trying again");
	};
}
