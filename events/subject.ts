import type { PoolEvent, PoolEventType, PoolName } from "./schema.ts";

const root = "buildkit.v1";

/** Scalers publish here to ask every proxy for its states. Four tokens, so that it is not among the events. */
export const askSubject = `${root}.states.ask`;

/** Scalers publish here to ask the proxies of a pool to drain a daemon. Not below the events' root, so it is no event. */
export function drainSubject({ namespace, pool }: PoolName): string {
	return `buildkit-drain.v1.${namespace}.${pool}`;
}

/** Matches every event, or those of a namespace, of the pools of a name, or of one pool. */
export function eventsSubject({ namespace = "*", pool = "*" }: Partial<PoolName> = {}): string {
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

/** As NATS matches: `*` is any one token, `>` at the end all that follow, one or more. */
export function matchesSubject(pattern: string, subject: string): boolean {
	const wanted = pattern.split(".");
	const tokens = subject.split(".");
	for (const [at, token] of wanted.entries()) {
		if (token === ">") return tokens.length > at;
		if (tokens[at] === undefined || (token !== "*" && token !== tokens[at])) return false;
	}
	return tokens.length === wanted.length;
}
