import type { Clock } from "../common/clock.ts";
import { ScalerError } from "../common/error.ts";
import type { DaemonEntry, Dial } from "./daemon-entry.ts";
import { Wire } from "./wire.ts";

/** After this a connect counts as slow and another daemon is tried beside it ("happy eyeballs", RFC 8305, 5). */
const slowDialMs = 250;

export interface DialEvents {
	readonly connected: (wire: Wire) => void;
	/** Refused, reset or not accepted in time. Not called after an abort. */
	readonly failed: (error: ScalerError) => void;
	readonly slow: () => void;
}

/** Connects to a daemon; the dial is in `entry.dials` until it ended, one way or the other. */
export function dial(entry: DaemonEntry, timeoutMs: number, clock: Clock, events: DialEvents): void {
	const { name, address } = entry.daemon;
	const finish = () => {
		slowTimer.cancel();
		timeout.cancel();
		entry.dials.delete(handle);
	};
	const fail = (why: string, cause?: unknown) => {
		if (!entry.dials.has(handle)) return;
		finish();
		wire.destroy();
		events.failed(new ScalerError("DAEMON_UNAVAILABLE", `daemon ${name}: ${why}`, { cause }));
	};
	const wire = Wire.connect(address, () => {
		if (!entry.dials.has(handle)) return;
		finish();
		events.connected(wire);
	});
	const handle: Dial = {
		slow: false,
		abort: () => {
			finish();
			wire.destroy();
		},
	};
	const slowTimer = clock.after(slowDialMs, () => {
		handle.slow = true;
		events.slow();
	});
	const timeout = clock.after(timeoutMs, () => fail(`did not accept within ${timeoutMs / 1000} s`));
	entry.dials.add(handle);
	wire.attach({
		onBytes: () => true,
		onEnd: () => {},
		onClose: (error) => fail(error?.message ?? "closed", error),
	});
}
