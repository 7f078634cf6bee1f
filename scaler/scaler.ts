import type { Registry } from "prom-client";
import type { PostAnswer, Readiness } from "../common/admin.ts";
import type { Clock } from "../common/clock.ts";
import type { Logger } from "../common/log.ts";
import type { TlsFiles } from "../common/tls-credentials.ts";
import type { Bus } from "../events/bus.ts";
import { BurstAssist, type BurstAssistOptions } from "./burst/burst-assist.ts";
import { type DemandServiceOptions, openDemandService } from "./demand-service.ts";
import { externalScalerHandlers } from "./handlers.ts";
import { Pusher } from "./push.ts";
import { activityOf } from "./push-schedule.ts";
import { type ScalerServer, startScalerServer } from "./server.ts";
import { SpecPusher } from "./spec-push.ts";
import type { ScalerState } from "./state.ts";

export interface ScalerOptions extends DemandServiceOptions {
	readonly listen: { readonly host: string; readonly port: number };
	/** Certificates (read again when they change); with a `ca` clients need one of it. Default: plaintext. */
	readonly tls?: TlsFiles | undefined;
	/** How long `stop` waits for calls under way. Default 5 s. */
	readonly stopGraceMs?: number;
	/** Open streams. Default 50,000: KEDA has one for each ScaledObject, since v2.21 two. */
	readonly maxStreams?: number;
	/** Sets the replicas that a burst needs at once; without it they are KEDA's and the HPA's alone. */
	readonly raise?: BurstAssistOptions["raise"] | undefined;
}

const scalerDefaults = { stopGraceMs: 5_000, maxStreams: 50_000 } as const;

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
	/** Looks at the certificates now; what is wrong with them is logged. */
	reloadCertificates(): void;
	/** What POST answers on the admin server: `/drain/<namespace>/<pool>/<pod>`. */
	post(pathname: string, left: AbortSignal): Promise<PostAnswer> | undefined;
	/** Readiness off, streams ended with OK, calls under way finished, then nothing is left. Repeatable. */
	stop(): Promise<void>;
}

/** Starts the KEDA external scaler: snapshots -> demand -> metric, over gRPC. Throws LISTEN_FAILED, CONFIG_INVALID. */
export async function startScaler(options: ScalerOptions, deps: ScalerDeps): Promise<Scaler> {
	const { listen, tls, stopGraceMs, maxStreams, raise } = { ...scalerDefaults, ...options };
	const { bus, clock, log, registry } = deps;
	// Metrics may be read before there is a server.
	let certificateEndsAt: ScalerServer["certificateEndsAt"] = () => undefined;
	const service = openDemandService(options, {
		...{ bus, clock, log, registry },
		streams: () => pusher.streams(),
		certificateEndsAt: () => certificateEndsAt(),
	});
	const { tracker, source, metrics } = service;
	const pusher = new Pusher({
		clock,
		activity: (key) => activityOf(tracker.demand(key)),
		onPush: (pushed) => metrics.pushed(pushed),
	});
	const specPusher = new SpecPusher((key) => tracker.capacity(key));
	const burst =
		raise &&
		new BurstAssist({
			clock,
			log,
			demand: (key) => tracker.demand(key),
			raise,
			onRaise: (outcome) => metrics.burstHelped(outcome),
		});
	tracker.onPoolChanged((key) => {
		pusher.changed(key);
		burst?.changed(key);
		specPusher.changed(key);
	});
	tracker.onAllChanged(() => {
		pusher.allChanged();
		burst?.allChanged();
	});
	const handlers = externalScalerHandlers({
		source,
		pusher,
		specPusher,
		burst,
		clock,
		log,
		onRpc: (rpc, code, durationMs) => metrics.rpcEnded(rpc, code, durationMs),
		maxStreams,
	});
	const server = await startScalerServer({ listen, tls }, handlers, { clock, log }).catch(
		(error: unknown) => {
			service.close();
			throw error;
		},
	);
	certificateEndsAt = server.certificateEndsAt;
	let stopped: Promise<void> | undefined;

	const ready = (): Readiness => {
		if (stopped !== undefined) return { ok: false, reason: "stopping" };
		if (bus.status.t === "disconnected") return { ok: false, reason: bus.status.reason };
		return service.ready();
	};
	const unsubscribe = bus.onStatus((status) => {
		server.setReady(ready().ok);
		if (status.t === "connected") log.info("connected to the bus");
		else log.warn({ reason: status.reason }, "demand is unknown: the bus is disconnected");
	});
	service.onListChanged(() => server.setReady(ready().ok));
	server.setReady(ready().ok);

	async function stop(): Promise<void> {
		unsubscribe();
		// 1. Nobody new comes, 2. KEDA's streams end in the one way that keeps its retries quick, 3. the rest ends.
		server.setReady(false);
		pusher.stop();
		specPusher.stop();
		service.stop();
		burst?.close();
		await server.stop(stopGraceMs);
		service.close();
	}
	return {
		port: server.port,
		ready,
		state: service.state,
		reloadCertificates: server.reloadCertificates,
		post: service.post,
		stop() {
			stopped ??= stop();
			return stopped;
		},
	};
}
