import { Registry } from "prom-client";
import { type Readiness, startAdmin } from "../common/admin.ts";
import type { Clock } from "../common/clock.ts";
import type { Logger } from "../common/log.ts";
import type { Bus } from "../events/bus.ts";
import { invalidEvents } from "../events/invalid-events.ts";
import type { NatsFiles } from "../events/nats-access.ts";
import { NatsBus } from "../events/nats-bus.ts";
import { natsTrouble } from "../events/nats-trouble.ts";
import { PeerBus } from "../events/peers/peer-bus.ts";
import type { ScaleApi, Workload } from "../kubernetes/workload.ts";
import type { Limits } from "../proxy/limits.ts";
import { eventCounter } from "../proxy/observe/event-metrics.ts";
import { openTraces } from "../proxy/observe/open-traces.ts";
import type { OpenSource, PoolSettings } from "../proxy/pool/pool-settings.ts";
import { startProxy } from "../proxy/proxy.ts";
import type { WriteCost } from "../scaler/deletion-cost/deletion-costs.ts";
import { openDemandService } from "../scaler/demand-service.ts";
import { poolKey } from "../scaler/pool-key.ts";
import type { DaemonTls } from "../scaler/verify/daemons.ts";
import { areCleared, goingDaemons } from "./clearing.ts";
import { Controller } from "./controller.ts";
import { type ElectionTimes, electionTimes } from "./election/election.ts";
import { Elector } from "./election/elector.ts";
import type { LeaseApi, Member } from "./election/lease.ts";
import { Membership } from "./membership.ts";
import { publishTo } from "./nats-outlet.ts";
import { StandaloneMetrics } from "./standalone-metrics.ts";

interface ListenAddress {
	readonly host: string;
	readonly port: number;
}

export interface StandaloneOptions<Source> {
	/** Unique among replicas and the same after a restart. */
	readonly id: string;
	readonly pool: PoolSettings<Source>;
	readonly workload: Workload;
	readonly maxReplicas: number;
	readonly idleTimeoutMs: number;
	/** A replica silent for so long no longer counts. */
	readonly absentAfterMs: number;
	readonly verifyZero: boolean;
	/** How daemons are asked; without it in plaintext. */
	readonly daemonTls: DaemonTls | undefined;
	readonly admin: ListenAddress;
	/** Where the other replicas reach `admin`, given its port. */
	readonly advertised: (port: number) => string | undefined;
	readonly nats: { readonly url: string; readonly files: NatsFiles } | undefined;
	/** An OpenTelemetry collector. */
	readonly traces: string | undefined;
	readonly drainGraceMs: number;
	readonly drainTimeoutMs: number;
	readonly limits: Partial<Limits>;
	/** Default: client-go's. */
	readonly electionTimes?: ElectionTimes;
}

export interface StandaloneDeps<Source> {
	readonly openSource: (registry: Registry) => OpenSource<Source>;
	readonly scaleApi: ScaleApi;
	/** Undefined: there is certainly no other replica. */
	readonly leaseApi: LeaseApi | undefined;
	/** Writes the pod-deletion-cost of a Deployment's pods; without it a Deployment only shrinks to zero. */
	readonly writeCost: WriteCost | undefined;
	readonly clock: Clock;
	readonly log: Logger;
}

export interface Standalone {
	readonly listening: ListenAddress;
	readonly adminPort: number;
	/** The first SIGTERM: builds end first, and those that wait are still served. */
	drain(): Promise<void>;
	/** The second one: builds do not. */
	kill(): Promise<void>;
	/** Looks at all certificates of the proxy now. */
	reloadCertificates(): void;
}

/** How long a daemon that is to go may take to have no build: it has none, so it is a matter of asking. */
const clearMs = 3_000;
/**
 * A replica that nobody has read for so long is not ready: builds that wait there would wake nobody. Longer than it takes
 * to replace the one that scales.
 */
const unreadMs = 30_000;
const alone = new AbortController().signal;

/**
 * One replica: a proxy, the scaler's knowledge of demand, and a controller that sets the workload's replicas itself.
 * Rejects with CONFIG_INVALID or LISTEN_FAILED.
 */
export async function startStandalone<Source>(
	options: StandaloneOptions<Source>,
	deps: StandaloneDeps<Source>,
): Promise<Standalone> {
	const { id, pool, workload, maxReplicas, idleTimeoutMs, absentAfterMs } = options;
	const { clock, log, scaleApi, leaseApi, writeCost } = deps;
	const registry = new Registry();
	const onInvalid = invalidEvents("proxy", { clock, log, registry });
	const onPublished = eventCounter(registry);
	const bus = new PeerBus({ clock, log, onInvalid });
	const nats = openNats(options, deps, { onInvalid, onPublished });
	const stopOutlet = nats && publishTo(nats, bus, id);
	const traces = await openTraces({ endpoint: options.traces, instance: id }, process.env, clock, registry);
	const proxy = await startProxy(
		{
			id,
			pools: [pool],
			admin: options.admin.port === 0 ? undefined : options.advertised(options.admin.port),
			drainGraceMs: options.drainGraceMs,
			drainTimeoutMs: options.drainTimeoutMs,
			limits: options.limits,
		},
		{ openSource: deps.openSource(registry), bus, clock, log, registry, traces },
	);
	const key = poolKey({ namespace: pool.namespace, pool: pool.name });
	const { verifyZero, daemonTls } = options;
	const service = openDemandService(
		{ expectedProxies: [id], absentAfterMs, verifyZero, daemonTls, writeCost },
		{ bus, clock, log, registry, streams: () => new Map() },
	);
	const { tracker, source, drains } = service;
	const record = () => tracker.record(key);

	const membership = new Membership(id, absentAfterMs);
	const admin = await startAdmin(options.admin, {
		ready: () => ready(),
		registry,
		state: () => ({
			...proxy.state(),
			scaler: service.state(),
			standalone: {
				leads: term() !== undefined,
				replicas: controller.replicas ?? null,
				members: elector?.members ?? null,
				why: notWhole() ?? null,
			},
		}),
		snapshots: () => proxy.snapshots(),
		events: (response) => bus.read(response),
		post: service.post,
	});
	// The pool's own: it begins later than the proxy.
	const [said] = proxy.snapshots().snapshots;
	const incarnation = said?.snapshot.incarnation ?? proxy.state().incarnation;
	const own: Member = { incarnation, admin: options.advertised(admin.port) };
	const elector =
		leaseApi &&
		new Elector({
			id,
			self: own,
			api: leaseApi,
			clock,
			log,
			times: options.electionTimes ?? electionTimes,
			gone: () => membership.gone(record(), clock.now()),
		});
	const term = () => (elector === undefined ? alone : elector.term);
	const ready = (): Readiness => {
		if (elector !== undefined && elector.members === undefined)
			return { ok: false, reason: `the other replicas do not know this one yet: ${elector.trouble}` };
		const isHeard = bus.unreadMs < unreadMs || term() !== undefined || membership.isAlone;
		if (!isHeard) return { ok: false, reason: `no other replica reads what this one says (${own.admin})` };
		return proxy.ready();
	};
	let isStopping = false;
	const notWhole = (): string | undefined => {
		// A source that does not know the daemons yet lists none, which would pass for "nobody builds".
		if (!isStopping && !proxy.ready().ok) return proxy.ready().reason;
		if (elector === undefined) return undefined;
		if (elector.members === undefined) return "the replicas are not known yet";
		const silent = membership.silent(record(), clock.now());
		return silent && `replica ${silent} is silent`;
	};
	const metrics = new StandaloneMetrics(
		registry,
		{ namespace: pool.namespace, pool: pool.name },
		{ leads: () => term() !== undefined, replicas: () => controller.replicas },
	);
	const clear = async (replicas: number, signal: AbortSignal) => {
		const left = AbortSignal.any([signal, AbortSignal.timeout(clearMs)]);
		const going = goingDaemons(workload.kind, tracker.daemons(key), replicas);
		return areCleared(going, (daemon) => drains.drain(key, daemon, left));
	};
	const controller = new Controller(
		workload,
		{
			maxReplicas,
			idleTimeoutMs,
			capacity: pool.capacity,
			shrinks: workload.kind === "StatefulSet" || writeCost !== undefined,
		},
		{
			clock,
			log,
			api: scaleApi,
			term,
			demand: () => tracker.demand(key),
			async verifiedDemand() {
				await source.settle(key);
				return source.demand(key);
			},
			notWhole,
			clear,
			onWrite: (direction, outcome) => metrics.written(direction, outcome),
		},
	);
	tracker.onPoolChanged((changed) => {
		if (changed === key) controller.check();
	});
	tracker.onAllChanged(() => controller.check());
	elector?.onChange(() => {
		// Its own goodbye may have been lost.
		for (const id of membership.update(elector.members ?? {}, clock.now())) tracker.left(key, id);
		bus.connect(membership.admins);
		controller.check();
	});
	elector?.start();
	controller.check();

	const finish = async () => {
		// 1. Nobody scales any more, 2. what was said last reaches the others, 3. who then read it may scale, 4. the rest.
		await controller.stop();
		service.stop();
		stopOutlet?.();
		await Promise.all([bus.close(), nats?.close()]);
		await elector?.stop();
		service.close();
		await traces?.close();
		await admin.close();
	};
	return {
		listening: proxy.addressOf(pool),
		adminPort: admin.port,
		async drain() {
			// Builds that wait still get daemons: scaling goes on.
			isStopping = true;
			await proxy.drain();
			await finish();
		},
		async kill() {
			isStopping = true;
			await proxy.close();
			await finish();
		},
		reloadCertificates: () => proxy.reloadCertificates(),
	};
}

function openNats<Source>(
	{ nats, id }: StandaloneOptions<Source>,
	{ clock, log }: StandaloneDeps<Source>,
	told: Pick<ConstructorParameters<typeof NatsBus>[0], "onInvalid" | "onPublished">,
): Bus | undefined {
	if (nats === undefined) return undefined;
	const onTrouble = natsTrouble(clock, log);
	return new NatsBus({ ...nats, name: `buildkit-scaler standalone ${id}`, clock, onTrouble, ...told });
}
