import type { PostAnswer } from "../../common/admin.ts";
import { idSchema, nameSchema } from "../../events/schema.ts";
import { type PoolKey, poolKey } from "../pool-key.ts";
import type { DrainAnswer } from "./drains.ts";

interface Drainer {
	drain(key: PoolKey, daemon: string, left: AbortSignal): Promise<DrainAnswer>;
}

/**
 * `POST /drain/<namespace>/<pool>/<pod>`, a long poll for the pod's preStop hook, which looks at the first word of the
 * body only: busybox's wget tells no status.
 */
export function drainEndpoint(
	drainer: Drainer,
	onAnswer: (answer: DrainAnswer["t"]) => void,
): (pathname: string, left: AbortSignal) => Promise<PostAnswer> | undefined {
	return (pathname, left) => {
		const [, namespace, pool, daemon] = /^\/drain\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(pathname) ?? [];
		if (namespace === undefined || pool === undefined || daemon === undefined) return undefined;
		const answered = (answer: DrainAnswer) => {
			onAnswer(answer.t);
			return post(answer, daemon);
		};
		const valid =
			nameSchema.safeParse(namespace).success &&
			nameSchema.safeParse(pool).success &&
			idSchema.safeParse(daemon).success;
		if (!valid)
			return Promise.resolve(answered({ t: "foreign", why: "these are no names of a pool and a pod" }));
		return drainer.drain(poolKey({ namespace, pool }), daemon, left).then(answered);
	};
}

function post(answer: DrainAnswer, daemon: string): PostAnswer {
	switch (answer.t) {
		case "drained":
			return { status: 200, body: `drained: no build is on ${daemon}, and none comes` };
		case "busy":
			return { status: 202, body: `busy: ${answer.why}` };
		case "foreign":
			return { status: 404, body: `unknown: ${answer.why}` };
		case "unclear":
			return { status: 503, body: `unclear: ${answer.why}` };
	}
}
