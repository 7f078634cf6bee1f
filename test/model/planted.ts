import type { Bus, BusStatus } from "../../events/bus.ts";
import type { DrainRequest } from "../../events/drain-request.ts";
import { leaseMs, type PoolEvent, type PoolName, type Snapshot } from "../../events/schema.ts";
import type { DemandSource } from "../../scaler/answers.ts";
import { type Demand, demandOf } from "../../scaler/demand.ts";
import { DemandTracker, type DemandTrackerOptions } from "../../scaler/demand-tracker.ts";
import type { PoolKey } from "../../scaler/pool-key.ts";

/** A bug that is put around the real code of a scaler. */
export interface Plant {
	readonly bus?: (bus: Bus) => Bus;
	readonly tracker?: (options: DemandTrackerOptions) => DemandTracker;
	readonly source?: (source: DemandSource) => DemandSource;
	readonly verifies?: false;
}

/** The bugs that the model must find (test/model/model.test.ts: by which law). */
export const plantedBugs = {
	/** What opened, was assigned and closed is added up, instead of believing the newest snapshot. */
	increments: { bus: (bus: Bus) => new CountingBus(bus) },
	/** A proxy that is silent for a lease counts as one without builds. */
	expiryIsZero: { tracker: (options: DemandTrackerOptions) => new ExpiringTracker(options) },
	/** The metric is the number of builds, wherever they are. */
	noOrdinalFloor: { source: (source: DemandSource) => new UnorderedDemand(source) },
	/** Zero is told without asking the daemons. */
	noVerify: { verifies: false },
} satisfies Readonly<Record<string, Plant>>;

export type PlantedBug = keyof typeof plantedBugs;
export const plantedBugNames = Object.keys(plantedBugs) as readonly PlantedBug[];

interface Count {
	readonly incarnation: number;
	waiting: number;
	readonly active: Map<string, number>;
}

class CountingBus implements Bus {
	readonly #bus: Bus;
	/** By proxy. */
	readonly #counts = new Map<string, Count>();

	constructor(bus: Bus) {
		this.#bus = bus;
	}

	get status(): BusStatus {
		return this.#bus.status;
	}

	onStatus(listener: (status: BusStatus) => void): () => void {
		return this.#bus.onStatus(listener);
	}

	publish(event: PoolEvent): void {
		this.#bus.publish(event);
	}

	subscribe(listener: (event: PoolEvent) => void, only?: PoolName): () => void {
		return this.#bus.subscribe((event) => listener({ ...event, snapshot: this.#counted(event) }), only);
	}

	askForStates(): void {
		this.#bus.askForStates();
	}

	onAskForStates(listener: () => void): () => void {
		return this.#bus.onAskForStates(listener);
	}

	askToDrain(request: DrainRequest): void {
		this.#bus.askToDrain(request);
	}

	onAskToDrain(listener: (request: DrainRequest) => void, of: PoolName): () => void {
		return this.#bus.onAskToDrain(listener, of);
	}

	close(): Promise<void> {
		return this.#bus.close();
	}

	#counted(event: PoolEvent): Snapshot {
		const { snapshot } = event;
		const known = this.#counts.get(snapshot.proxy);
		const count = known?.incarnation === snapshot.incarnation ? known : countOf(snapshot);
		this.#counts.set(snapshot.proxy, count);
		if (count === known) add(count, event);
		const daemons = snapshot.daemons.map((daemon) => ({
			...daemon,
			active: Math.max(count.active.get(daemon.name) ?? 0, 0),
		}));
		return { ...snapshot, waiting: Math.max(count.waiting, 0), daemons };
	}
}

/** Where counting begins. */
function countOf({ incarnation, waiting, daemons }: Snapshot): Count {
	return { incarnation, waiting, active: new Map(daemons.map(({ name, active }) => [name, active])) };
}

function add(count: Count, event: PoolEvent): void {
	const addActive = (daemon: string, builds: number) =>
		count.active.set(daemon, (count.active.get(daemon) ?? 0) + builds);
	switch (event.type) {
		case "connection.opened":
			count.waiting++;
			return;
		case "connection.assigned":
			count.waiting--;
			addActive(event.connection.daemon, 1);
			return;
		case "connection.closed":
			if (event.connection.daemon === null) count.waiting--;
			else addActive(event.connection.daemon, -1);
			return;
		case "proxy.state":
		case "proxy.stopped":
		case "daemon.draining":
			return;
	}
}

class ExpiringTracker extends DemandTracker {
	readonly #options: DemandTrackerOptions;

	constructor(options: DemandTrackerOptions) {
		super(options);
		this.#options = options;
	}

	override demand(key: PoolKey): Demand {
		const now = this.#options.clock.now();
		const [, record] = [...this.pools()].find(([pool]) => pool === key) ?? [];
		if (record === undefined) return super.demand(key);
		const fresh = [...record.words].filter(([, { receivedAt }]) => now - receivedAt <= leaseMs);
		return demandOf({ ...record, words: new Map(fresh) }, this.bus, now, {
			absentAfterMs: this.#options.absentAfterMs,
			expected: this.#options.expected?.(key),
		});
	}
}

class UnorderedDemand implements DemandSource {
	readonly #source: DemandSource;

	constructor(source: DemandSource) {
		this.#source = source;
	}

	demand(key: PoolKey): Demand {
		const demand = this.#source.demand(key);
		return demand.t === "known" ? { ...demand, highestBusyOrdinal: null } : demand;
	}

	capacity(key: PoolKey): number | undefined {
		return this.#source.capacity(key);
	}

	settle(key: PoolKey): Promise<void> {
		return this.#source.settle(key);
	}
}
