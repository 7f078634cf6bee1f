import { Registry } from "prom-client";
import { startAdmin } from "../common/admin.ts";
import type { Clock } from "../common/clock.ts";
import { Listeners } from "../common/listeners.ts";
import type { Logger } from "../common/log.ts";
import type { Bus } from "../events/bus.ts";
import { invalidEvents } from "../events/invalid-events.ts";
import { MemoryBus } from "../events/memory-bus.ts";
import { NatsBus } from "../events/nats-bus.ts";
import { natsTrouble } from "../events/nats-trouble.ts";
import { connectExternalScaler } from "../protos/external-scaler.ts";
import { defaultLimits } from "../proxy/limits.ts";
import { eventCounter } from "../proxy/observe/event-metrics.ts";
import { openTraces } from "../proxy/observe/open-traces.ts";
import type { PoolSettings } from "../proxy/pool/pool-settings.ts";
import { startProxy } from "../proxy/proxy.ts";
import { startScaler } from "../scaler/scaler.ts";
import { BuildTracker } from "./build-tracker.ts";
import { Controller } from "./controller.ts";
import { LocalDaemons } from "./daemons.ts";
import { chooseKind, type DaemonChoice } from "./kinds/choose.ts";
import { endLeftovers } from "./leftovers.ts";
import type { ListenAddress, LocalOptions } from "./local-options.ts";
import type { Observation } from "./observation.ts";
import { openStateDirectory } from "./state-directory.ts";

export interface LocalDeps {
	readonly clock: Clock;
	readonly log: Logger;
}

export interface Local {
	readonly listening: ListenAddress;
	readonly adminPort: number;
	readonly scalerPort: number;
	readonly kind: { readonly t: Exclude<DaemonChoice, "auto">; readonly description: string };
	/** Why `auto` did not take what it prefers; to be said aloud. */
	readonly notes: readonly string[];
	onObservation(listener: (observation: Observation) => void): () => void;
	/** The first SIGINT: builds finish. Resolves when nothing is left. */
	drain(): Promise<void>;
	/** The second one: builds do not. Resolves when nothing is left. */
	kill(): Promise<void>;
}

/** The only proxy there is: once the scaler has heard it, it knows the demand. */
const proxyId = "local";
/** The HPA's sync period. Kubernetes has 15 s; a person who watches would not wait that long. */
const hpaSyncMs = 1_000;
/** buildkitd is told to end when it has no builds, so this is for one that hangs. */
const stopGraceMs = 10_000;
/** Only our own controller calls the scaler, and that has stopped before. */
const scalerStopGraceMs = 1_000;

/**
 * Starts proxy, scaler, daemons and a controller that plays KEDA, in this process.
 * Rejects with CONFIG_INVALID, LISTEN_FAILED or DAEMON_START_FAILED, and then leaves nothing running.
 */
export async function startLocal(options: LocalOptions, deps: LocalDeps): Promise<Local> {
	const started: Stop[] = [];
	try {
		return await assemble(options, deps, (stop) => started.push(stop));
	} catch (error) {
		for (const stop of started.reverse()) await stop();
		throw error;
	}
}

type Stop = () => void | Promise<void>;

async function assemble(options: LocalOptions, deps: LocalDeps, undo: (stop: Stop) => void): Promise<Local> {
	const { clock, log } = deps;
	const { namespace, pool, listen, maxDaemons, capacity, cooldownMs, pollMs, wakeDelayMs } = options;
	const { balance, affinityBy, fairBy, maxPerTenant, maxWaitMs, wakeOnStatus } = options;
	const { frozenAfterMs, drainTimeoutMs } = options;

	const state = openStateDirectory(options.stateDir, maxDaemons);
	undo(state.release);
	const leftovers = await endLeftovers(state.pids, clock);
	if (leftovers > 0) log.warn({ leftovers }, "ended daemons that an earlier run left behind");
	const { kind, notes } = await chooseKind(options.daemon, state, maxDaemons);

	const registry = new Registry();
	const bus = createBus(options, deps, registry);
	undo(() => bus.close());
	// The proxy needs the daemons to start, and they ask it only once there are some.
	const whenUnused = (daemonName: string) => proxy.whenUnused(daemonName);
	const endpoint = options.traces;
	const traces = await openTraces({ endpoint, instance: proxyId }, process.env, clock, registry);
	undo(() => traces?.close());
	const daemons = new LocalDaemons({ kind, clock, wakeDelayMs, stopGraceMs, whenUnused });
	const poolSettings: PoolSettings = {
		namespace,
		name: pool,
		listen,
		serverNames: [],
		tls: { t: "off" },
		daemonTls: undefined,
		capacity,
		balance,
		affinityBy,
		fairBy,
		maxPerTenant,
		maxWaitMs,
		wakeOnStatus,
		source: undefined,
	};
	const openSource = async () => ({ source: daemons, close: () => {} });
	const proxy = await startProxy(
		{
			id: proxyId,
			pools: [poolSettings],
			// Nobody has to hear that this proxy goes: its users see it.
			drainGraceMs: 0,
			drainTimeoutMs,
			// All clients have one address here.
			limits: { frozenAfterMs, maxConnectionsPerAddress: defaultLimits.maxConnections },
		},
		{ openSource, bus, clock, log, registry, traces },
	);
	undo(() => proxy.close());
	const scaler = await startScaler(
		{ listen: options.scalerListen, expectedProxies: [proxyId], stopGraceMs: scalerStopGraceMs },
		{ bus, clock, log, registry },
	);
	undo(() => scaler.stop());
	const admin = await startAdmin(options.admin, {
		ready: () => (proxy.ready().ok ? scaler.ready() : proxy.ready()),
		registry,
		state: () => ({ ...proxy.state(), scaler: scaler.state() }),
	});

	const client = connectExternalScaler(dialAddress(options.scalerListen.host, scaler.port));
	const controller = new Controller(
		{
			ref: { name: pool, namespace, scalerMetadata: { pool } },
			maxReplicas: maxDaemons,
			pollMs,
			cooldownMs,
			hpaSyncMs,
			// A surplus daemon stays as long as the pool does, so that a pause between builds costs neither.
			scaleDownWindowMs: cooldownMs,
		},
		{ client, target: daemons, clock },
	);

	const observations = new Listeners<[Observation]>();
	const observe = (observation: Observation) => observations.emit(observation);
	const tracker = new BuildTracker({ cooldownMs, isPoolAsleep: () => daemons.replicas === 0, observe });
	proxy.onMove((move) => tracker.moved(move));
	bus.subscribe(({ type }) => {
		if (type === "connection.opened") observe({ t: "eventSeen", at: clock.now(), type });
	});
	daemons.onObservation(observe);
	controller.onObservation(observe);
	controller.start();

	const stopScaling = async () => {
		controller.stop();
		client.close();
		await scaler.stop();
	};
	const leave = async () => {
		await bus.close();
		await traces?.close();
		await admin.close();
		state.release();
	};
	return {
		listening: proxy.addressOf(poolSettings),
		adminPort: admin.port,
		scalerPort: scaler.port,
		kind: { t: kind.t, description: kind.describe() },
		notes,
		onObservation: (listener) => observations.add(listener),
		async drain() {
			// 1. No new clients. Builds finish, and those that wait still get a daemon: scaling goes on.
			await proxy.drain();
			// 2. Nobody scales any more.
			await stopScaling();
			// 3. The daemons, which have no builds left.
			await daemons.stop();
			// 4. What all of them needed; the lock last.
			await leave();
		},
		async kill() {
			await Promise.all([daemons.kill(), proxy.close(), stopScaling()]);
			await leave();
		},
	};
}

function createBus(
	{ nats, namespace, pool }: LocalOptions,
	{ clock, log }: LocalDeps,
	registry: Registry,
): Bus {
	if (nats === undefined) return new MemoryBus();
	return new NatsBus({
		...nats,
		name: `buildkit-scaler local ${namespace}/${pool}`,
		clock,
		onTrouble: natsTrouble(clock, log),
		onInvalid: invalidEvents("scaler", { clock, log, registry }),
		onPublished: eventCounter(registry),
	});
}

/** Where to reach a server of this process that listens on `host`, which may mean every address. */
function dialAddress(host: string, port: number): string {
	if (host === "0.0.0.0" || host === "") return `127.0.0.1:${port}`;
	if (host === "::") return `[::1]:${port}`;
	return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
