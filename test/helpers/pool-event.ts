import type { DaemonLoad, PoolEvent, PoolEventType, Snapshot } from "../../events/schema.ts";

/** The parts of an event a test cares about; `busy` holds the builds on daemon 0, 1, 2 … */
export interface EventParts extends Partial<Omit<Snapshot, "daemons">> {
	readonly type?: Extract<PoolEventType, "proxy.state" | "proxy.stopped">;
	readonly namespace?: string;
	readonly pool?: string;
	readonly busy?: readonly number[];
}

/** A valid event of proxy `proxy-0` about pool `default/default`, idle unless `parts` say otherwise. */
export function poolEvent(parts: EventParts = {}): PoolEvent {
	const { type = "proxy.state", namespace = "default", pool = "default", busy = [], ...snapshot } = parts;
	const daemons = busy.map(
		(active, ordinal): DaemonLoad => ({
			name: `daemon-${ordinal}`,
			ordinal,
			active,
			idle: 0,
			draining: false,
		}),
	);
	return {
		type,
		namespace,
		pool,
		snapshot: {
			proxy: "proxy-0",
			incarnation: 1,
			sequence: 0,
			capacity: 4,
			waiting: 0,
			oldestWaitMs: 0,
			daemons,
			...snapshot,
		},
	};
}
