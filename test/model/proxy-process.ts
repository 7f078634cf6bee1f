import { createLogger } from "../../common/log.ts";
import type { PoolSnapshot } from "../../events/schema.ts";
import { HeldBudget } from "../../proxy/connection/held-bytes.ts";
import type { Origin } from "../../proxy/connection/origin.ts";
import type { Daemon, DaemonSource } from "../../proxy/daemon.ts";
import { defaultLimits } from "../../proxy/limits.ts";
import { Pool } from "../../proxy/pool/pool.ts";
import type { Carried, Client } from "./client.ts";
import type { BusEnd } from "./network.ts";
import { connectTo } from "./pod.ts";
import { ProcessClock } from "./process-clock.ts";
import type { SimWire } from "./sim-wire.ts";
import type { World } from "./world.ts";

const log = createLogger("silent");

/** How long clients may still come to a proxy that is to stop (the chart's drain grace). */
const drainGraceMs = 5_000;

/** A proxy: the real Pool, between simulated wires, bus and endpoints. */
export class ProxyProcess {
	readonly name: string;
	readonly startedAt: number;
	/** Undefined until it is gone. */
	goneAt: number | undefined;
	readonly #world: World;
	readonly #clock: ProcessClock;
	readonly #bus: BusEnd;
	readonly #endpoints: EndpointView;
	readonly #pool: Pool;
	readonly #clients = new Map<Client, SimWire>();
	readonly #daemonWires = new Set<SimWire>();
	#state: "running" | "leaving" | "draining" | "gone" = "running";

	constructor(world: World, name: string) {
		this.#world = world;
		this.name = name;
		this.startedAt = world.time.now;
		this.#clock = new ProcessClock(world.time, world.skewOf(name));
		this.#bus = world.network.join(name, () => this.carried());
		this.#endpoints = new EndpointView(world, name);
		const { capacity, balance } = world.config;
		this.#pool = new Pool(
			{
				...{ proxy: name, incarnation: this.#clock.wallTime(), namespace: "default", name: "default" },
				...{ capacity, balance, affinityBy: "identity", fairBy: "none", maxPerTenant: undefined },
				...{ maxWaitMs: 900_000, wakeOnStatus: false, limits: defaultLimits, admin: name },
			},
			{
				source: this.#endpoints,
				connect: connectTo(world, (wire) => {
					for (const known of this.#daemonWires) if (!known.isOpen) this.#daemonWires.delete(known);
					this.#daemonWires.add(wire);
				}),
				bus: this.#bus,
				clock: this.#clock,
				log,
				held: new HeldBudget(defaultLimits.maxTotalHeldBytes),
			},
		);
	}

	/** Whether a client may still come here. */
	get accepts(): boolean {
		return this.#state === "running" || this.#state === "leaving";
	}

	get isRunning(): boolean {
		return this.#state === "running";
	}

	get isGone(): boolean {
		return this.#state === "gone";
	}

	accept(client: Client, wire: SimWire, origin: Origin): void {
		this.#clients.set(client, wire);
		this.#pool.accept(wire, "h2", origin);
	}

	/** SIGKILL. */
	crash(): void {
		if (this.#state === "gone") return;
		this.#world.trace(() => `${this.name} crashes`);
		this.#end();
		for (const wire of this.#daemonWires) wire.kill();
		for (const [client, wire] of this.#clients) {
			wire.far = undefined;
			wire.kill();
			client.carrierDied(wire);
		}
	}

	/** SIGTERM, as RunningProxy.drain: who has not heard of it still comes, builds go on, then it says goodbye. */
	stop(): void {
		if (this.#state !== "running") return;
		this.#world.trace(() => `${this.name} is told to stop`);
		this.#state = "leaving";
		this.#clock.after(drainGraceMs, () => void this.#serveOut());
	}

	/** GET /snapshots: what it would say now, and what is true. */
	read(): { readonly snapshot: PoolSnapshot; readonly carried: readonly Carried[] } {
		return { snapshot: this.#pool.snapshot(), carried: this.carried() };
	}

	async #serveOut(): Promise<void> {
		this.#state = "draining";
		await this.#world.during(this.#pool.whenEmpty());
		if (this.isGone) return;
		this.#world.trace(() => `${this.name} is drained`);
		this.#pool.close();
		this.#end();
	}

	/** Its view of the endpoints stands still for a while. */
	stallEndpoints(forMs: number): void {
		this.#endpoints.stall(forMs);
	}

	#end(): void {
		this.#state = "gone";
		this.goneAt = this.#world.time.now;
		this.#clock.kill();
		this.#bus.kill();
		this.#endpoints.close();
	}

	/** Its builds, without those whose machine is gone: of them a proxy may think what it likes. */
	carried(): Carried[] {
		const carried: Carried[] = [];
		for (const [client, wire] of this.#clients) {
			if (!wire.isOpen) this.#clients.delete(client);
			else if (client.isOn(wire)) carried.push({ client, wire, pod: client.pod });
		}
		return carried;
	}
}

/** What a proxy has heard of the endpoints. */
class EndpointView implements DaemonSource {
	daemons: readonly Daemon[];
	readonly #world: World;
	readonly #listeners = new Set<() => void>();
	readonly #stop: () => void;
	readonly #lag: () => number;
	#stalledUntil = 0;
	#closed = false;

	constructor(world: World, proxy: string) {
		this.#world = world;
		this.daemons = world.workload.endpoints();
		const random = world.random.fork(`endpoints ${proxy} ${world.time.now}`);
		this.#lag = () => random.magnitude(2, 1_000);
		this.#stop = world.workload.onEndpointsChanged(() => this.#refreshIn(this.#lag()));
	}

	onChange(listener: () => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	stall(forMs: number): void {
		this.#stalledUntil = this.#world.time.now + forMs;
		this.#refreshIn(forMs);
	}

	close(): void {
		this.#closed = true;
		this.#stop();
	}

	#refreshIn(ms: number): void {
		const { time, workload } = this.#world;
		time.after(ms, () => {
			if (this.#closed || time.now < this.#stalledUntil) return;
			this.daemons = workload.endpoints();
			for (const listener of this.#listeners) listener();
		});
	}
}
