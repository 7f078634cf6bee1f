import type { Registry } from "prom-client";
import type { Readiness } from "../common/admin.ts";
import type { Clock } from "../common/clock.ts";
import { ScalerError } from "../common/error.ts";
import { Listeners } from "../common/listeners.ts";
import type { Logger } from "../common/log.ts";
import { comesWithin } from "../common/within.ts";
import type { Bus } from "../events/bus.ts";
import type { PoolSnapshot } from "../events/schema.ts";
import { HeldBudget } from "./connection/held-bytes.ts";
import type { ConnectionMove } from "./connection/move.ts";
import type { TurnedAway } from "./connection/origin.ts";
import { Listener } from "./entrance/listener.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { ConnectionLog } from "./observe/connection-log.ts";
import { labelsOf, ProxyMetrics } from "./observe/metrics.ts";
import { type ProxyState, poolState } from "./observe/state.ts";
import type { Traces } from "./observe/traces.ts";
import type { Pool } from "./pool/pool.ts";
import {
	addressKey,
	checkPools,
	isSame,
	type OpenSource,
	type PoolSettings,
	poolKey,
} from "./pool/pool-settings.ts";
import { startRelay } from "./relay/relay.ts";
import { type Certificate, type PreparedChange, ServedPool, type ServedPoolDeps } from "./served-pool.ts";
import { userTimeoutSupport } from "./wire/dead-host.ts";

export interface ProxyOptions<Source> {
	/** Unique among proxies and the same after a restart. */
	readonly id: string;
	readonly pools: readonly PoolSettings<Source>[];
	/** HOST:PORT where scalers can read `snapshots` when the bus fails. */
	readonly admin?: string | undefined;
	/** How long `drain` still takes clients in, who have not heard yet that they should go elsewhere. */
	readonly drainGraceMs: number;
	/** How long `drain`, and a pool that is taken out, then wait for builds to end. */
	readonly drainTimeoutMs: number;
	readonly limits?: Partial<Limits>;
}

export interface ProxyDeps<Source> {
	readonly openSource: OpenSource<Source>;
	readonly bus: Bus;
	readonly clock: Clock;
	readonly log: Logger;
	readonly registry: Registry;
	readonly traces?: Traces | undefined;
}

/** Starts a proxy. Throws CONFIG_INVALID or LISTEN_FAILED, with nothing left open. */
export async function startProxy<Source>(
	options: ProxyOptions<Source>,
	deps: ProxyDeps<Source>,
): Promise<RunningProxy<Source>> {
	const proxy = new RunningProxy(options, deps);
	const userTimeout = userTimeoutSupport();
	if (!userTimeout.ok) {
		deps.log.warn(
			{ reason: userTimeout.reason },
			"a host that dies while bytes are on their way to it is noticed late, after up to 15 minutes",
		);
	}
	const relay = startRelay((stack) => deps.log.error({ stack }, "a fault in the relay"));
	if ("reason" in relay) {
		deps.log.info(
			{ reason: relay.reason },
			"builds' bytes pass through Node's streams, which costs more CPU",
		);
	}
	await proxy.apply(options.pools);
	return proxy;
}

/** The pools of one process and the addresses that they share. */
export class RunningProxy<Source = unknown> {
	readonly #options: ProxyOptions<Source>;
	readonly #deps: ProxyDeps<Source>;
	readonly #poolDeps: ServedPoolDeps<Source>;
	readonly #metrics: ProxyMetrics;
	readonly #log: ConnectionLog;
	readonly #moves = new Listeners<[ConnectionMove]>();
	readonly #listeners = new Map<string, Listener>();
	readonly #served = new Map<string, ServedPool<Source>>();
	/** Taken out of the settings; here until their last build is over. */
	readonly #leaving = new Map<string, ServedPool<Source>>();
	/** One change after the other. */
	#applying: Promise<void> = Promise.resolve();
	#state: "running" | "draining" | "closed" = "running";
	/** Whether the bus was ever there: what is configured works. */
	#wasConnected: boolean;
	readonly #closed = Promise.withResolvers<void>();

	constructor(options: ProxyOptions<Source>, deps: ProxyDeps<Source>) {
		const { bus, clock, log, registry, openSource } = deps;
		this.#options = options;
		this.#deps = deps;
		this.#wasConnected = bus.status.t === "connected";
		bus.onStatus(({ t }) => {
			if (t === "connected") this.#wasConnected = true;
		});
		const limits = { ...defaultLimits, ...options.limits };
		const held = new HeldBudget(limits.maxTotalHeldBytes);
		this.#metrics = new ProxyMetrics(
			registry,
			() => this.#pools(),
			() => this.#certificates(),
			held,
		);
		this.#log = new ConnectionLog(log);
		this.#poolDeps = {
			proxy: options.id,
			incarnation: clock.wallTime(),
			admin: options.admin,
			limits,
			held,
			bus,
			clock,
			log,
			openSource,
			turnedAway: (client, pool) => this.#turnedAway(client, pool),
		};
	}

	/**
	 * Makes the pools these: adds, changes and takes out, without touching a build. A pool that is taken out takes no
	 * new clients and ends with its last build. Throws CONFIG_INVALID or LISTEN_FAILED, and then nothing has changed.
	 */
	apply(pools: readonly PoolSettings<Source>[]): Promise<void> {
		const applied = this.#applying.then(() => this.#apply(pools));
		this.#applying = applied.catch(() => {});
		return applied;
	}

	/** Where a pool's clients connect; the port that was chosen for port 0. */
	addressOf(pool: { readonly namespace: string; readonly name: string }): { host: string; port: number } {
		const listener = this.#listeners.get(listenerKey(this.#served.get(poolKey(pool))?.settings));
		return { host: listener?.host ?? "", port: listener?.port ?? 0 };
	}

	/**
	 * One that has been on the bus stays ready when that goes: scalers read its state over HTTP, and a Service without any
	 * ready proxy would refuse every client for as long as NATS is away.
	 */
	ready(): Readiness {
		if (this.#state !== "running") return { ok: false, reason: "draining" };
		const { status } = this.#deps.bus;
		if (status.t === "disconnected" && !this.#wasConnected) return { ok: false, reason: status.reason };
		for (const [name, served] of this.#served) {
			const { ok, reason } = served.ready();
			if (!ok) return { ok, reason: this.#served.size > 1 ? `pool ${name}: ${reason}` : (reason ?? name) };
		}
		return { ok: true };
	}

	state(): ProxyState {
		const { proxy, incarnation, clock } = this.#poolDeps;
		return { proxy, incarnation, pools: [...this.#pools()].map((pool) => poolState(pool, clock.now())) };
	}

	/** What the bus would be told now: GET /snapshots. */
	snapshots(): { readonly snapshots: readonly PoolSnapshot[] } {
		return { snapshots: [...this.#pools()].map((pool) => pool.snapshot()) };
	}

	/** Every change of state of every connection, in order. */
	onMove(listener: (move: ConnectionMove) => void): () => void {
		return this.#moves.add(listener);
	}

	/** Resolves when no build is on the daemon and none is on its way to it. */
	async whenUnused(daemonName: string): Promise<void> {
		await Promise.all([...this.#pools()].map((pool) => pool.whenUnused(daemonName)));
	}

	/** Looks at all certificate files now. */
	reloadCertificates(): void {
		for (const served of this.#served.values()) served.reloadCertificates();
	}

	/** Lets every build end, also of who comes within the grace; then says `proxy.stopped`. */
	async drain(): Promise<void> {
		const { drainGraceMs } = this.#options;
		// 1. Readiness fails, so that nobody is sent here any more. Who has not heard of it is served as ever.
		if (this.#state === "running") this.#state = "draining";
		if (drainGraceMs > 0) await comesWithin(this.#closed.promise, drainGraceMs, this.#deps.clock);
		// 2. No new clients.
		this.#closeListeners();
		// 3. Builds end by themselves, those that wait are served first.
		await Promise.all([...this.#pools()].map((pool) => this.#serveOut(pool, () => true)));
		// 4. What is left is silent, or out of time.
		await this.close();
	}

	/** Ends everything at once. */
	async close(): Promise<void> {
		if (this.#state === "closed") return;
		this.#state = "closed";
		this.#closed.resolve();
		await this.#applying;
		this.#closeListeners();
		for (const served of [...this.#served.values(), ...this.#leaving.values()]) served.close();
	}

	*#pools(): Iterable<Pool> {
		for (const { pool } of this.#served.values()) yield pool;
		for (const { pool } of this.#leaving.values()) yield pool;
	}

	*#certificates(): Iterable<Certificate> {
		for (const served of this.#served.values()) yield* served.certificates();
	}

	async #apply(pools: readonly PoolSettings<Source>[]): Promise<void> {
		checkPools(pools);
		const opened: { close(): void }[] = [];
		const changes: PreparedChange[] = [];
		const listeners = new Map<string, Listener>();
		const served = new Map<string, ServedPool<Source>>();
		try {
			// What can fail, before anything changes.
			for (const settings of pools) {
				const at = listenerKey(settings);
				if (!this.#listeners.has(at) && !listeners.has(at)) {
					const listener = await this.#listen(settings);
					listeners.set(at, listener);
					opened.push(listener);
				}
				const key = poolKey(settings);
				const existing = this.#served.get(key) ?? this.#leaving.get(key);
				if (existing === undefined) {
					const pool = await ServedPool.open(settings, this.#poolDeps);
					opened.push(pool);
					served.set(key, pool);
				} else {
					served.set(key, existing);
					const stays = this.#served.has(key) && isSame(settings, existing.settings);
					if (!stays) changes.push(await existing.prepare(settings));
				}
			}
			// Asked to stop meanwhile.
			if (this.#isStopping()) throw new ScalerError("CONFIG_INVALID", "the proxy is stopping");
		} catch (error) {
			for (const change of changes) change.abandon();
			for (const thing of opened) thing.close();
			throw error;
		}
		for (const change of changes) change.commit();
		for (const [key, pool] of served) if (!this.#has(key)) this.#welcome(pool);
		const before = new Map(this.#served);
		this.#served.clear();
		for (const [key, pool] of served) {
			this.#served.set(key, pool);
			this.#leaving.delete(key);
		}
		for (const [at, listener] of listeners) this.#listeners.set(at, listener);
		this.#route();
		for (const [key, pool] of before) if (!served.has(key)) void this.#sendOff(key, pool);
	}

	#isStopping(): boolean {
		return this.#state !== "running";
	}

	#has(key: string): boolean {
		return this.#served.has(key) || this.#leaving.has(key);
	}

	#listen(settings: PoolSettings<Source>): Promise<Listener> {
		const { clock, log } = this.#deps;
		return Listener.open(settings.listen, {
			clock,
			limits: this.#poolDeps.limits,
			turnedAway: (client) => this.#turnedAway(client, undefined),
			failed: (error) => log.error({ error: error.message }, "accept failed"),
		});
	}

	/** A pool that is new here. */
	#welcome({ pool }: ServedPool<Source>): void {
		this.#metrics.observe(pool);
		const { traces } = this.#deps;
		const tell = (move: ConnectionMove) => {
			this.#log.moved(move);
			traces?.moved(move, labelsOf(pool));
		};
		// In order, and after what the move itself sets going: a daemon accepts meanwhile.
		pool.onMove((move) => queueMicrotask(() => tell(move)));
		pool.onMove((move) => this.#moves.emit(move));
	}

	/** Sends the clients of each listener to the pools that are there now. */
	#route(): void {
		for (const [at, listener] of this.#listeners) {
			const here = [...this.#served.values()].filter(({ settings }) => listenerKey(settings) === at);
			listener.routes = here.map(({ route }) => route);
			if (here.length > 0) continue;
			listener.close();
			this.#listeners.delete(at);
		}
	}

	async #sendOff(key: string, served: ServedPool<Source>): Promise<void> {
		this.#leaving.set(key, served);
		const isLeaving = () => this.#leaving.get(key) === served;
		await this.#serveOut(served.pool, isLeaving);
		// It may be back by now.
		if (!isLeaving() || this.#state === "closed") return;
		this.#leaving.delete(key);
		served.close();
	}

	/** Resolves when the pool's last build is over; or `drainTimeoutMs`, and then who still waits was told. */
	async #serveOut(pool: Pool, isLeaving: () => boolean): Promise<void> {
		const closed = this.#closed.promise;
		const over = Promise.race([pool.whenEmpty(), closed]);
		if (await comesWithin(over, this.#options.drainTimeoutMs, this.#deps.clock)) return;
		if (isLeaving()) await Promise.race([pool.turnAwayWaiting(), closed]);
	}

	#closeListeners(): void {
		for (const listener of this.#listeners.values()) listener.close();
		this.#listeners.clear();
	}

	#turnedAway({ client, reason, why }: TurnedAway, pool: Pool | undefined): void {
		this.#metrics.turnedAway(reason, pool);
		this.#log.turnedAway(client, reason, why, this.#deps.clock.now());
	}
}

/** Addresses with port 0 are each another one. */
function listenerKey(settings: PoolSettings | undefined): string {
	if (settings === undefined) return "";
	return settings.listen.port === 0 ? `${addressKey(settings)} ${poolKey(settings)}` : addressKey(settings);
}
