import { Registry } from "prom-client";
import { expect, onTestFinished } from "vitest";
import type { Clock } from "../../common/clock.ts";
import { createLogger } from "../../common/log.ts";
import { MemoryBus } from "../../events/memory-bus.ts";
import type { PoolEvent } from "../../events/schema.ts";
import type { PolicyName } from "../../proxy/balance.ts";
import type { Daemon, DaemonSource } from "../../proxy/daemon.ts";
import type { Limits } from "../../proxy/limits.ts";
import type { ConnectionMove } from "../../proxy/move.ts";
import { type RunningProxy, startProxy } from "../../proxy/proxy.ts";
import { ManualClock } from "./manual-clock.ts";

/** Daemons that a test brings and takes away. */
class TestSource implements DaemonSource {
	daemons: readonly Daemon[] = [];
	readonly #listeners = new Set<() => void>();

	onChange(listener: () => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/** Daemons at these ports of this machine, ordinals in order. */
	set(ports: readonly number[], draining: readonly number[] = []): void {
		this.daemons = ports.map((port, ordinal) => ({
			name: `daemon-${ordinal}`,
			address: { t: "tcp", host: "127.0.0.1", port },
			ordinal,
			draining: draining.includes(ordinal),
		}));
		for (const listener of this.#listeners) listener();
	}
}

export interface TestProxy {
	readonly proxy: RunningProxy;
	readonly port: number;
	readonly source: TestSource;
	readonly clock: ManualClock;
	readonly events: PoolEvent[];
	readonly moves: ConnectionMove[];
	/** Resolves once `check` holds; looks again after each move, event and turn of the event loop. */
	until(check: () => boolean): Promise<void>;
	/** How many connections ended for this reason, from the metrics. */
	closedCount(reason: string): Promise<number>;
}

/** A real proxy on real sockets, with time in the test's hands; closed when the test ends. */
export async function startTestProxy(
	options: {
		id?: string;
		capacity?: number;
		balance?: PolicyName;
		maxWaitMs?: number;
		wakeOnStatus?: boolean;
		limits?: Partial<Limits>;
		clock?: Clock;
		/** With other proxies on it. */
		bus?: MemoryBus;
	} = {},
): Promise<TestProxy> {
	const source = new TestSource();
	const clock = new ManualClock();
	const bus = options.bus ?? new MemoryBus();
	const registry = new Registry();
	const events: PoolEvent[] = [];
	const moves: ConnectionMove[] = [];
	bus.subscribe((event) => events.push(event));
	const proxy = await startProxy(
		{
			id: options.id ?? "proxy-under-test",
			namespace: "default",
			pool: "default",
			listen: { host: "127.0.0.1", port: 0 },
			capacity: options.capacity ?? 4,
			balance: options.balance ?? "pack",
			maxWaitMs: options.maxWaitMs ?? 900_000,
			wakeOnStatus: options.wakeOnStatus ?? false,
			drainTimeoutMs: 3_600_000,
			...(options.limits === undefined ? {} : { limits: options.limits }),
		},
		{ source, bus, clock: options.clock ?? clock, log: createLogger("silent"), registry },
	);
	proxy.onMove((move) => moves.push(move));
	// Asking its peers for their states, it also asks itself.
	await new Promise((resolve) => setImmediate(resolve));
	expect(events.splice(1).map(({ type }) => type)).toContain("proxy.state");
	let finished = false;
	onTestFinished(() => {
		finished = true;
		return proxy.close();
	});
	return {
		proxy,
		port: proxy.listening.port,
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
		async closedCount(reason) {
			const metric = await registry.getSingleMetric("buildkit_proxy_connections_closed_total")?.get();
			return metric?.values.find(({ labels }) => labels["reason"] === reason)?.value ?? 0;
		},
	};
}
