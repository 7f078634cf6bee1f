import type { PoolName } from "./bus.ts";
import type { PoolEvent, PoolEventType } from "./schema.ts";

const root = "buildkit.v1";

/** Matches every event of every pool. Events have five tokens or more, so `askSubject` (four) is not among them. */
export const allEventsSubject = `${root}.*.*.>`;
/** Scalers publish here to ask every proxy for its states. */
export const askSubject = `${root}.states.ask`;

/** Matches every event of one pool. */
export function poolEventsSubject({ namespace, pool }: PoolName): string {
	return `${root}.${namespace}.${pool}.>`;
}

export function eventSubject(event: Pick<PoolEvent, "namespace" | "pool" | "type">): string {
	return `${root}.${event.namespace}.${event.pool}.${event.type}`;
}

/** The parts of an event's subject, or undefined for a subject that is not an event's. */
export function parseEventSubject(
	subject: string,
): { namespace: string; pool: string; type: string } | undefined {
	const [a, b, namespace, pool, ...type] = subject.split(".");
	if (`${a}.${b}` !== root || namespace === undefined || pool === undefined || type.length === 0)
		return undefined;
	return { namespace, pool, type: type.join(".") satisfies string as PoolEventType };
}
