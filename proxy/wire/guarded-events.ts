import type { WireEvents } from "./wire.ts";

/**
 * The same events, but what goes wrong in one of them goes to `broke`: a fault in the handling of one connection must not
 * end the process, and with it the builds on all others.
 */
export function guardedEvents(events: WireEvents, broke: (thrown: unknown) => void): WireEvents {
	const guard = <T>(otherwise: T, run: () => T): T => {
		try {
			return run();
		} catch (thrown) {
			broke(thrown);
			return otherwise;
		}
	};
	return {
		onBytes: (bytes) => guard(true, () => events.onBytes(bytes)),
		onEnd: () => guard(undefined, () => events.onEnd()),
		onClose: (error) => guard(undefined, () => events.onClose(error)),
	};
}
