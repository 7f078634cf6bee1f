import { ScalerError } from "../common/error.ts";
import { logLevels } from "../common/log.ts";
import type { NatsFiles } from "../events/nats-access.ts";
import { policyNames } from "../proxy/daemons/balance.ts";

import { type FairBy, fairByChoices, originKeys } from "../proxy/queue/origin-key.ts";
import {
	boolean,
	type Config,
	choice,
	duration,
	httpUrl,
	integer,
	listenAddress,
	longDuration,
	name,
	natsUrl,
	text,
} from "./option.ts";

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
		"Which daemon with room gets a build: pack (lowest ordinal first, so that the others can go), leastBuilds, or affinity (the same one for the same client, whose cache is warm)",
} as const;

export const affinityBy = {
	kind: choice(originKeys),
	defaultText: "identity",
	placeholder: "KEY",
	description: `For --balance affinity, what is the same client: ${originKeys.join(", ")}; without one, its address`,
} as const;

export const fairBy = {
	kind: choice(fairByChoices),
	defaultText: "none",
	placeholder: "KEY",
	description: `Whose builds take turns in the queue: ${originKeys.join(", ")}; none is first come, first served`,
} as const;

export const maxPerTenant = {
	kind: integer(1, 10_000),
	placeholder: "N",
	description: "Builds that each of --fair-by may have on daemons at once, per proxy; the others wait",
} as const;

/** Throws CONFIG_INVALID for a limit per tenant where nobody is told apart: it would be one for the whole pool. */
export function checkTenants({
	fairBy,
	maxPerTenant,
}: {
	fairBy: FairBy;
	maxPerTenant: number | undefined;
}): void {
	if (maxPerTenant === undefined || fairBy !== "none") return;
	throw new ScalerError(
		"CONFIG_INVALID",
		"--max-per-tenant needs --fair-by: without it there are no tenants",
	);
}

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

export const frozenAfter = {
	kind: longDuration,
	defaultText: "5m",
	placeholder: "DURATION",
	description:
		"How long a client may leave its daemon without an answer (its process was stopped) before its build is ended",
} as const;

export const drainTimeout = {
	kind: duration,
	defaultText: "3h",
	placeholder: "DURATION",
	description: "How long a stop waits for waiting and running builds",
} as const;

export const nats = {
	kind: natsUrl,
	defaultText: "nats://127.0.0.1:4222",
	placeholder: "URL",
	description:
		"The NATS server that carries the events; may hold user:password@ or token@, tls:// asks for TLS",
} as const;

const natsFile = { kind: text, placeholder: "FILE" } as const;

/** How to get into NATS, beside what its URL says. All are read again at each connect. */
export const natsFiles = {
	natsCreds: { ...natsFile, description: "Credentials for NATS: a file of nsc with a JWT and its seed" },
	natsNkey: { ...natsFile, description: "Credentials for NATS: a file with an nkey seed (SU...)" },
	natsTlsCa: { ...natsFile, description: "The CA of the NATS server's certificate (PEM); asks for TLS" },
	natsTlsCert: {
		...natsFile,
		description: "Our certificate for NATS (PEM), where it wants one; asks for TLS",
	},
	natsTlsKey: { ...natsFile, description: "Its key (PEM)" },
} as const;

export function natsFilesOf(config: Config<typeof natsFiles>): NatsFiles {
	return {
		creds: config.natsCreds,
		nkey: config.natsNkey,
		tlsCa: config.natsTlsCa,
		tlsCert: config.natsTlsCert,
		tlsKey: config.natsTlsKey,
	};
}

export const admin = {
	kind: listenAddress,
	defaultText: ":8081",
	placeholder: "HOST:PORT",
	description: "Admin HTTP: /healthz, /readyz, /metrics, /state",
} as const;

export const traces = {
	kind: httpUrl,
	placeholder: "URL",
	description:
		"Sends a trace of each build to this OpenTelemetry collector (OTLP/HTTP), as OTEL_EXPORTER_OTLP_ENDPOINT does",
} as const;

export const logLevel = {
	kind: choice(logLevels),
	defaultText: "info",
	placeholder: "LEVEL",
	description: `Least severe log lines to write: ${logLevels.join(", ")}`,
} as const;
