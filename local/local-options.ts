import type { NatsFiles } from "../events/nats-access.ts";
import type { PolicyName } from "../proxy/daemons/balance.ts";
import type { FairBy, OriginKey } from "../proxy/queue/origin-key.ts";
import type { DaemonChoice } from "./kinds/choose.ts";

export interface ListenAddress {
	readonly host: string;
	readonly port: number;
}

export interface LocalOptions {
	/** Where BuildKit clients connect. */
	readonly listen: ListenAddress;
	readonly maxDaemons: number;
	/** Builds a daemon takes at once. */
	readonly capacity: number;
	readonly balance: PolicyName;
	readonly affinityBy: OriginKey;
	readonly fairBy: FairBy;
	readonly maxPerTenant: number | undefined;
	/** How long the pool stays after its last build. */
	readonly cooldownMs: number;
	readonly pollMs: number;
	/** Starts each daemon that much later: stands for a slow node. */
	readonly wakeDelayMs: number;
	readonly maxWaitMs: number;
	readonly wakeOnStatus: boolean;
	/** A client that leaves its daemon without an answer for so long is ended. */
	readonly frozenAfterMs: number;
	readonly drainTimeoutMs: number;
	readonly daemon: DaemonChoice;
	/** Without it events stay in memory. */
	readonly nats?: { readonly url: string; readonly files: NatsFiles };
	/** An OpenTelemetry collector. */
	readonly traces?: string | undefined;
	readonly admin: ListenAddress;
	/** The scaler's gRPC: our controller uses it, and so may anybody. */
	readonly scalerListen: ListenAddress;
	readonly stateDir: string;
	readonly pool: string;
	readonly namespace: string;
}
