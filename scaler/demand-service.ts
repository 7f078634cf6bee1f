import type { Registry } from "prom-client";
import type { PostAnswer, Readiness } from "../common/admin.ts";
import type { Clock } from "../common/clock.ts";
import type { Logger } from "../common/log.ts";
import { OnceAMinute } from "../common/once-a-minute.ts";
import type { Bus } from "../events/bus.ts";
import type { DemandSource } from "./answers.ts";
import { DeletionCosts, type WriteCost } from "./deletion-cost/deletion-costs.ts";
import { DemandTracker } from "./demand-tracker.ts";
import { drainEndpoint } from "./drain/drain-endpoint.ts";
import { Drains } from "./drain/drains.ts";
import { expectIds } from "./expected/expected.ts";
import type { ProxyList } from "./expected/proxy-list.ts";
import type { LedgerLimits } from "./ledger.ts";
import { ScalerMetrics } from "./metrics.ts";
import type { PoolKey } from "./pool-key.ts";
import { readSnapshots } from "./second-path/read-snapshots.ts";
import { SecondPath } from "./second-path/second-path.ts";
import { type ScalerState, scalerState } from "./state.ts";
import { Daemons, type DaemonTls } from "./verify/daemons.ts";
import { VerifiedDemand } from "./verify/verified-demand.ts";
import { ZeroVerifier } from "./verify/zero-verifier.ts";

export interface DemandServiceOptions {
	/** Every proxy id there is, where that is certain: then the demand is known once all of them spoke. */
	readonly expectedProxies?: readonly string[] | undefined;
	/** Lists of the proxies of some pools: the same for those, whose proxies come and go. Closed with the service. */
	readonly proxyLists?: ReadonlyMap<PoolKey, ProxyList>;
	/** A proxy silent for so long no longer counts. Default 10 min. */
	readonly absentAfterMs?: number;
	/** How much of what proxies say is kept. */
	readonly ledger?: LedgerLimits;
	/** Whether daemons are asked if they build before a zero is told. Default true. */
	readonly verifyZero?: boolean;
	/** How they are spoken to; without it in plaintext. */
	readonly daemonTls?: DaemonTls | undefined;
	/** Writes the pod-deletion-cost of a Deployment's pods; without it nothing is written. */
	readonly writeCost?: WriteCost | undefined;
}

const defaults = { absentAfterMs: 600_000, verifyZero: true } as const;

export interface DemandServiceDeps {
	/** Stays the caller's: `close` does not close it. */
	readonly bus: Bus;
	readonly clock: Clock;
	readonly log: Logger;
	readonly registry: Registry;
	/** Open StreamIsActive calls, for `state`. */
	readonly streams: () => ReadonlyMap<PoolKey, number>;
	/** When the certificate that KEDA is shown ends, for metrics. */
	readonly certificateEndsAt?: () => number | undefined;
}

/** What every pool has to serve, and what keeps builds alive on the way down: a scaler without whoever it tells. */
export interface DemandService {
	/** A zero in it was not verified. */
	readonly tracker: DemandTracker;
	readonly source: DemandSource;
	readonly drains: Drains;
	readonly metrics: ScalerMetrics;
	state(): ScalerState;
	/** Whether all the lists of proxies are known. */
	ready(): Readiness;
	/** Called when a list of proxies has changed. */
	onListChanged(listener: () => void): void;
	/** What POST answers on the admin server: `/drain/<namespace>/<pool>/<pod>`. */
	post(pathname: string, left: AbortSignal): Promise<PostAnswer> | undefined;
	/** Answers every drain under way; the rest goes on until `close`. */
	stop(): void;
	close(): void;
}

export function openDemandService(options: DemandServiceOptions, deps: DemandServiceDeps): DemandService {
	const { absentAfterMs, expectedProxies, proxyLists, ledger, verifyZero, daemonTls, writeCost } = {
		...defaults,
		...options,
	};
	const { bus, clock, log, registry, streams, certificateEndsAt } = deps;
	const metrics = new ScalerMetrics(
		registry,
		() => state(),
		() => ({ keda: certificateEndsAt?.(), daemons: daemonTls?.credentials.expiresAt }),
	);
	const lists = [...(proxyLists?.values() ?? [])];
	const named = expectedProxies && expectIds(expectedProxies);
	const twins = new OnceAMinute(clock);
	const tracker = new DemandTracker({
		bus,
		clock,
		absentAfterMs,
		expected: (key) => proxyLists?.get(key)?.expected ?? named,
		...(ledger && { limits: ledger }),
		onRecorded(recorded, { snapshot: { proxy } }) {
			metrics.eventRecorded(recorded);
			if (recorded === "twin" && twins.admit(proxy) !== undefined)
				log.warn({ proxy }, "two proxies have this id, or its clock was put back: both count");
		},
	});
	const daemons = new Daemons(daemonTls);
	const verifier = new ZeroVerifier({
		clock,
		ask: (address, limitMs) => daemons.ask(address, limitMs),
		onAnswer: (word) => metrics.daemonAnswered(word),
	});
	const secondPath = new SecondPath({
		tracker,
		clock,
		log,
		read: readSnapshots,
		onRead: (outcome) => metrics.proxyRead(outcome),
		...(proxyLists && { lists: proxyLists }),
	});
	const source = new VerifiedDemand(tracker, verifyZero ? verifier : undefined);
	const state = () => scalerState(tracker, verifier, streams(), proxyLists, clock.now());
	const drains = new Drains({
		bus,
		clock,
		log,
		verdict: (key, daemon, askedAt) => tracker.drainVerdict(key, daemon, askedAt),
		ask: verifyZero ? (address, limitMs) => daemons.ask(address, limitMs) : undefined,
	});
	const costs =
		writeCost && new DeletionCosts({ clock, log, builds: (key) => tracker.podBuilds(key), write: writeCost });
	tracker.onPoolChanged((key) => {
		costs?.changed(key);
		drains.changed(key);
	});
	tracker.onAllChanged(() => {
		drains.allChanged();
	});
	for (const list of lists)
		list.onChange(() => {
			tracker.expectedChanged();
			secondPath.look();
		});
	return {
		tracker,
		source,
		drains,
		metrics,
		state,
		ready: () => lists.map((list) => list.ready()).find(({ ok }) => !ok) ?? { ok: true },
		onListChanged(listener) {
			for (const list of lists) list.onChange(listener);
		},
		post: drainEndpoint(drains, (answer) => metrics.drainAnswered(answer)),
		stop() {
			drains.stop();
			costs?.close();
		},
		close() {
			tracker.close();
			secondPath.close();
			for (const list of lists) list.close();
			daemons.close();
		},
	};
}
