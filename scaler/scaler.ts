import type { Registry } from "prom-client";
import type { Readiness } from "../common/admin.ts";
import type { Clock } from "../common/clock.ts";
import type { Logger } from "../common/log.ts";
import type { Bus } from "../events/bus.ts";
import { DemandTracker } from "./demand-tracker.ts";
import { externalScalerHandlers } from "./handlers.ts";
import type { LedgerLimits } from "./ledger.ts";
import { ScalerMetrics } from "./metrics.ts";
import { Pusher } from "./push.ts";
import { activityOf } from "./push-schedule.ts";
import { startScalerServer } from "./server.ts";
import { type ScalerState, scalerState } from "./state.ts";

export interface ScalerOptions {
	readonly listen: { readonly host: string; readonly port: number };
	/** Every proxy id there is, where that is certain: the scaler then knows the demand once all of them spoke. */
	readonly expectedProxies?: readonly string[];
	/** A proxy silent for so long no longer counts. Default 10 min. */
	readonly absentAfterMs?: number;
	/** How long `stop` waits for calls under way. Default 5 s. */
	readonly stopGraceMs?: number;
	/** Open StreamIsActive calls. Default 50,000: KEDA has one for each ScaledObject. */
	readonly maxStreams?: number;
	/** How much of what proxies say is kept. */
	readonly ledger?: LedgerLimits;
}

const scalerDefaults = { absentAfterMs: 600_000, stopGraceMs: 5_000, maxStreams: 50_000 } as const;

export interface ScalerDeps {
	/** Stays the caller's: `stop` does not close it. */
	readonly bus: Bus;
	readonly clock: Clock;
	readonly log: Logger;
	readonly registry: Registry;
}

export interface Scaler {
	/** The one chosen for port 0. */
	readonly port: number;
	ready(): Readiness;
	state(): ScalerState;
	/** Readiness off, streams ended with OK, calls under way finished, then nothing is left. Repeatable. */
	stop(): Promise<void>;
}

/** Starts the KEDA external scaler: snapshots -> demand -> metric, over gRPC. Throws LISTEN_FAILED. */
export async function startScaler(options: ScalerOptions, deps: ScalerDeps): Promise<Scaler> {
	const { listen, absentAfterMs, stopGraceMs, maxStreams, expectedProxies, ledger } = {
		...scalerDefaults,
		...options,
	};
	const { bus, clock, log, registry } = deps;
	const metrics = new ScalerMetrics(registry, () => state());
	const tracker = new DemandTracker({
		bus,
		clock,
		absentAfterMs,
		...(expectedProxies && { expectedProxies }),
		...(ledger && { limits: ledger }),
		onRecorded: (recorded) => metrics.eventRecorded(recorded),
	});
	const pusher = new Pusher({
		clock,
		activity: (key) => activityOf(tracker.demand(key)),
		onPush: (pushed) => metrics.pushed(pushed),
	});
	const state = () => scalerState(tracker, pusher.streams(), clock.now());
	tracker.onPoolChanged((key) => pusher.changed(key));
	tracker.onAllChanged(() => pusher.allChanged());
	const handlers = externalScalerHandlers({
		source: tracker,
		pusher,
		clock,
		log,
		onRpc: (rpc, code, durationMs) => metrics.rpcEnded(rpc, code, durationMs),
		maxStreams,
	});
	const server = await startScalerServer(listen, handlers, clock).catch((error: unknown) => {
		tracker.close();
		throw error;
	});
	let stopped: Promise<void> | undefined;

	const ready = (): Readiness => {
		if (stopped !== undefined) return { ok: false, reason: "stopping" };
		return bus.status.t === "connected" ? { ok: true } : { ok: false, reason: bus.status.reason };
	};
	const unsubscribe = bus.onStatus((status) => {
		server.setReady(ready().ok);
		if (status.t === "connected") log.info("connected to the bus");
		else log.warn({ reason: status.reason }, "demand is unknown: the bus is disconnected");
	});
	server.setReady(ready().ok);

	async function stop(): Promise<void> {
		unsubscribe();
		// 1. Nobody new comes, 2. KEDA's streams end in the one way that keeps its retries quick, 3. the rest ends.
		server.setReady(false);
		pusher.stop();
		await server.stop(stopGraceMs);
		tracker.close();
	}
	return {
		port: server.port,
		ready,
		state,
		stop() {
			stopped ??= stop();
			return stopped;
		},
	};
}
