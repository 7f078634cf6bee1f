import { logLevels } from "../common/log.ts";
import { policyNames } from "../proxy/balance.ts";
import { boolean, choice, duration, integer, listenAddress, name, natsUrl } from "./option.ts";

/** Options that mean the same in every command that has them. */

export const pool = {
	kind: name,
	defaultText: "default",
	placeholder: "NAME",
	description: "The pool: the daemons behind one address, scaled together",
} as const;

export const namespace = {
	kind: name,
	defaultText: "default",
	placeholder: "NAME",
	description: "The pool's namespace; a ScaledObject sees pools of its own namespace only",
} as const;

export const capacity = {
	kind: integer(1, 10_000),
	defaultText: "4",
	placeholder: "N",
	description: "Builds that a daemon takes at once",
} as const;

export const balance = {
	kind: choice(policyNames),
	defaultText: "pack",
	placeholder: "POLICY",
	description:
		"Which daemon with room gets a build: pack (lowest ordinal first, so that the others can go) or leastBuilds",
} as const;

export const maxWait = {
	kind: duration,
	defaultText: "15m",
	placeholder: "DURATION",
	description: "How long a build may wait for a daemon before its client is told why",
} as const;

export const wakeOnStatus = {
	kind: boolean,
	defaultText: "false",
	placeholder: "BOOL",
	description: "Whether `buildx ls`, `inspect`, `du` and the like wake a sleeping pool, as builds do",
} as const;

export const drainTimeout = {
	kind: duration,
	defaultText: "3h",
	placeholder: "DURATION",
	description: "How long a stop waits for running builds",
} as const;

export const nats = {
	kind: natsUrl,
	defaultText: "nats://127.0.0.1:4222",
	placeholder: "URL",
	description: "The NATS server that carries the events",
} as const;

export const admin = {
	kind: listenAddress,
	defaultText: ":8081",
	placeholder: "HOST:PORT",
	description: "Admin HTTP: /healthz, /readyz, /metrics, /state",
} as const;

export const logLevel = {
	kind: choice(logLevels),
	defaultText: "info",
	placeholder: "LEVEL",
	description: `Least severe log lines to write: ${logLevels.join(", ")}`,
} as const;
