import type { PolicyName } from "../proxy/balance.ts";
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
	/** How long the pool stays after its last build. */
	readonly cooldownMs: number;
	readonly pollMs: number;
	/** Starts each daemon that much later: stands for a slow node. */
	readonly wakeDelayMs: number;
	readonly maxWaitMs: number;
	readonly wakeOnStatus: boolean;
	readonly drainTimeoutMs: number;
	readonly daemon: DaemonChoice;
	/** Without it events stay in memory. */
	readonly natsUrl?: string;
	readonly admin: ListenAddress;
	/** The scaler's gRPC: our controller uses it, and so may anybody. */
	readonly scalerListen: ListenAddress;
	readonly stateDir: string;
	readonly pool: string;
	readonly namespace: string;
}
