import type { Clock } from "../../common/clock.ts";
import { ScalerError } from "../../common/error.ts";
import type { Connection } from "../connection/connection.ts";
import type { Connect } from "../tls/connect.ts";
import type { Wire } from "../wire/wire.ts";
import type { DaemonEntry, Dial } from "./daemon-entry.ts";

/** After this a connect counts as slow and another daemon is tried beside it ("happy eyeballs", RFC 8305, 5). */
const slowDialMs = 250;

export interface DialEvents {
	readonly connected: (wire: Wire) => void;
	/** Refused, reset or not accepted in time. Not called after an abort. */
	readonly failed: (error: ScalerError) => void;
	readonly slow: () => void;
}

export interface DialOptions {
	/** Whom it is for, where the choice of the daemon depends on that. */
	readonly waiter: Connection | undefined;
	readonly connect: Connect;
	readonly timeoutMs: number;
	readonly clock: Clock;
}

/** Connects to a daemon; the dial is in `entry.dials` until it ended, one way or the other. */
export function dial(
	entry: DaemonEntry,
	{ waiter, connect, timeoutMs, clock }: DialOptions,
	events: DialEvents,
): void {
	const { name, address } = entry.daemon;
	const finish = () => {
		timer.cancel();
		entry.dials.delete(handle);
		entry.slowDials.delete(handle);
	};
	const fail = (why: string, cause?: unknown) => {
		if (!entry.dials.has(handle)) return;
		finish();
		wire.destroy();
		events.failed(new ScalerError("DAEMON_UNAVAILABLE", `daemon ${name}: ${why}`, { cause }));
	};
	const wire = connect(address, () => {
		if (!entry.dials.has(handle)) return;
		finish();
		events.connected(wire);
	});
	const handle: Dial = {
		waiter,
		abort: () => {
			finish();
			wire.destroy();
		},
	};
	const timeOut = () => fail(`did not accept within ${timeoutMs / 1000} s`);
	let timer =
		timeoutMs <= slowDialMs
			? clock.after(timeoutMs, timeOut)
			: clock.after(slowDialMs, () => {
					timer = clock.after(timeoutMs - slowDialMs, timeOut);
					entry.slowDials.add(handle);
					events.slow();
				});
	entry.dials.add(handle);
	wire.attach({
		onBytes: () => true,
		onEnd: () => {},
		onClose: (error) => fail(error?.message ?? "closed", error),
	});
}
