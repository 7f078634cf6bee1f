import { pino } from "pino";
import { Registry } from "prom-client";
import { expect, onTestFinished } from "vitest";
import type { Clock } from "../../common/clock.ts";
import type { Bus } from "../../events/bus.ts";
import { MemoryBus } from "../../events/memory-bus.ts";
import type { PoolEvent } from "../../events/schema.ts";
import type { ConnectionMove } from "../../proxy/connection/move.ts";
import type { Daemon, DaemonSource } from "../../proxy/daemon.ts";
import type { Limits } from "../../proxy/limits.ts";
import type { Traces } from "../../proxy/observe/traces.ts";
import type { PoolSettings } from "../../proxy/pool/pool-settings.ts";
import { type RunningProxy, startProxy } from "../../proxy/proxy.ts";
import { ManualClock } from "./manual-clock.ts";

/** Daemons that a test brings and takes away. */
export class TestSource implements DaemonSource {
	/** Two of them are never the same. */
	readonly id = Symbol("source");
	daemons: readonly Daemon[] = [];
	readonly #listeners = new Set<() => void>();

	onChange(listener: () => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/** Daemons at these ports of this machine, or unix sockets, ordinals in order. */
	set(addresses: readonly (number | string)[], draining: readonly number[] = []): void {
		this.setDaemons(
			addresses.map((at, ordinal) => ({
				name: `daemon-${ordinal}`,
				address: typeof at === "string" ? { t: "unix", path: at } : { t: "tcp", host: "127.0.0.1", port: at },
				ordinal,
				draining: draining.includes(ordinal),
			})),
		);
	}

	setDaemons(daemons: readonly Daemon[]): void {
		this.daemons = daemons;
		for (const listener of this.#listeners) listener();
	}
}

export interface TestProxy {
	readonly proxy: RunningProxy<TestSource>;
	readonly pool: PoolSettings<TestSource>;
	readonly port: number;
	readonly source: TestSource;
	readonly clock: ManualClock;
	readonly events: PoolEvent[];
	readonly moves: ConnectionMove[];
	/** Resolves once `check` holds; looks again after each move, event and turn of the event loop. */
	until(check: () => boolean): Promise<void>;
	/** What it wrote to its log, from level info on. */
	readonly lines: Readonly<Record<string, unknown>>[];
	readonly registry: Registry;
	/** A metric's value with these labels, of all that have them: a sum; 0 when there is none. `_count` and `_sum` work. */
	metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
	/** How many connections ended for this reason, from the metrics. */
	closedCount(reason: string): Promise<number>;
}

/** A pool of plaintext clients on a port that the system chooses, but for what is said otherwise. */
export function testPool(settings: Partial<PoolSettings<TestSource>> = {}): PoolSettings<TestSource> {
	return {
		namespace: "default",
		name: "default",
		listen: { host: "127.0.0.1", port: 0 },
		serverNames: [],
		tls: { t: "off" },
		daemonTls: undefined,
		capacity: 4,
		balance: "pack",
		affinityBy: "identity",
		fairBy: "none",
		maxPerTenant: undefined,
		maxWaitMs: 900_000,
		wakeOnStatus: false,
		source: new TestSource(),
		...settings,
	};
}

/** A real proxy on real sockets, with time in the test's hands; closed when the test ends. */
export async function startTestProxy(
	options: Partial<PoolSettings<TestSource>> & {
		id?: string;
		drainGraceMs?: number;
		limits?: Partial<Limits>;
		clock?: Clock;
		/** With other proxies on it. */
		bus?: Bus;
		/** Instead of the test's own. */
		daemons?: DaemonSource;
		traces?: (clock: Clock, registry: Registry) => Traces;
	} = {},
): Promise<TestProxy> {
	const { id = "proxy-under-test", drainGraceMs = 0, limits = {}, ...others } = options;
	const { clock: givenClock, bus: givenBus, daemons, traces: makeTraces, ...settings } = others;
	const clock = new ManualClock();
	const bus = givenBus ?? new MemoryBus();
	const registry = new Registry();
	const events: PoolEvent[] = [];
	const moves: ConnectionMove[] = [];
	const lines: Record<string, unknown>[] = [];
	const log = pino({ base: {} }, { write: (line) => void lines.push(JSON.parse(line)) });
	const traces = makeTraces?.(givenClock ?? clock, registry);
	if (traces !== undefined) onTestFinished(() => traces.close());
	bus.subscribe((event) => events.push(event));
	const pool = testPool(settings);
	const { source } = pool;
	const proxy = await startProxy(
		{ id, pools: [pool], drainGraceMs, drainTimeoutMs: 3_600_000, limits },
		{
			openSource: async ({ source }) => ({ source: daemons ?? source, close: () => {} }),
			bus,
			clock: givenClock ?? clock,
			log,
			registry,
			traces,
		},
	);
	proxy.onMove((move) => moves.push(move));
	// Asking its peers for their states, it also asks itself.
	await new Promise((resolve) => setImmediate(resolve));
	if (bus instanceof MemoryBus) expect(events.splice(1).map(({ type }) => type)).toContain("proxy.state");
	const metric: TestProxy["metric"] = async (name, wanted = {}) => {
		const found = await registry.getSingleMetric(name.replace(/_(count|sum)$/, ""))?.get();
		let sum = 0;
		for (const value of found?.values ?? []) {
			const itsName = "metricName" in value ? (value.metricName ?? name) : name;
			const labels: Readonly<Record<string, unknown>> = value.labels;
			const has = Object.entries(wanted).every(([key, text]) => labels[key] === text);
			if (itsName === name && has) sum += value.value;
		}
		return sum;
	};
	let finished = false;
	onTestFinished(() => {
		finished = true;
		return proxy.close();
	});
	return {
		proxy,
		pool,
		port: proxy.addressOf(pool).port,
		source,
		clock,
		events,
		moves,
		async until(check) {
			while (!check()) {
				// A test that ran out of time must not keep looking.
				if (finished) throw new Error(`still waiting at the end: ${check}\n${JSON.stringify(proxy.state())}`);
				await new Promise((resolve) => setImmediate(resolve));
			}
		},
		lines,
		registry,
		metric,
		closedCount: (reason) => metric("buildkit_proxy_connections_closed_total", { reason }),
	};
}
