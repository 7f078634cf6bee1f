import type { Clock, Timer } from "../common/clock.ts";
import type { ScalerError } from "../common/error.ts";
import { Listeners } from "../common/listeners.ts";
import type { Logger } from "../common/log.ts";
import type { Bus } from "../events/bus.ts";
import type { CloseReason } from "../events/schema.ts";
import { Announcer, type Load } from "./announcer.ts";
import { type PolicyName, policies } from "./balance.ts";
import { Conditions } from "./conditions.ts";
import { Connection, type ConnectionOwner } from "./connection.ts";
import type { ConnectionState } from "./connection-state.ts";
import type { DaemonSource } from "./daemon.ts";
import { DaemonEntry } from "./daemon-entry.ts";
import { dial } from "./dial.ts";
import type { Limits } from "./limits.ts";
import { livenessSampleMs } from "./liveness.ts";
import { type ConnectionMove, describeMove } from "./move.ts";
import { Peers } from "./peers.ts";
import { WaitQueue } from "./wait-queue.ts";
import { whyWaiting } from "./why-waiting.ts";
import type { Wire } from "./wire.ts";

export interface PoolOptions {
	/** This proxy's id and start time (ms since 1970), for snapshots. */
	readonly proxy: string;
	readonly incarnation: number;
	readonly namespace: string;
	readonly name: string;
	/** Builds a daemon takes at once. */
	readonly capacity: number;
	/** Which of the daemons with room gets the next build. */
	readonly balance: PolicyName;
	readonly maxWaitMs: number;
	/** Whether a question about the pool wakes it as a build does. */
	readonly wakeOnStatus: boolean;
	readonly limits: Limits;
}

export interface PoolDeps {
	readonly source: DaemonSource;
	readonly bus: Bus;
	readonly clock: Clock;
	readonly log: Logger;
}

/** The daemons behind one address and everyone who wants one: who waits, who is where, who is next. */
export class Pool implements ConnectionOwner {
	readonly options: PoolOptions;
	readonly connections = new Set<Connection>();
	readonly daemons = new Map<string, DaemonEntry>();
	readonly #deps: PoolDeps;
	readonly #queue = new WaitQueue<Connection>();
	/** Questions about the pool on their way to a daemon. They come after every build, and are no demand. */
	readonly #inquiries = new Set<Connection>();
	readonly #moves = new Listeners<[ConnectionMove]>();
	readonly #conditions = new Conditions();
	readonly #announcer: Announcer;
	readonly #peers: Peers;
	readonly #unsubscribe: () => void;
	#sampling: Timer;
	#stopping = false;
	#nextId = 1;

	constructor(options: PoolOptions, deps: PoolDeps) {
		this.options = options;
		this.#deps = deps;
		const { proxy, incarnation, namespace, name } = options;
		this.#announcer = new Announcer(deps.bus, deps.clock, { proxy, incarnation, namespace, pool: name }, () =>
			this.#load(),
		);
		this.#peers = new Peers(proxy, { namespace, pool: name }, deps.bus, deps.clock, () => this.#changed());
		this.#unsubscribe = deps.source.onChange(() => this.#sourceChanged());
		this.#sampling = this.#nextSample();
		this.#sourceChanged();
	}

	get waiting(): number {
		return this.#queue.size;
	}

	/** Every change of state of every connection, in order. */
	onMove(listener: (move: ConnectionMove) => void): () => void {
		return this.#moves.add(listener);
	}

	/** Takes in a client that was just accepted. */
	accept(wire: Wire): void {
		const { limits, maxWaitMs, incarnation } = this.options;
		const id = `${incarnation.toString(36)}-${this.#nextId++}`;
		const connection = new Connection(wire, { id, limits, maxWaitMs, clock: this.#deps.clock, owner: this });
		this.connections.add(connection);
		this.#moves.emit(describeMove(connection, this.#deps.clock.now()));
	}

	/** Resolves when no build is on the daemon and none is on its way to it. */
	whenUnused(daemonName: string): Promise<void> {
		return this.#conditions.when(() => (this.daemons.get(daemonName)?.builds ?? 0) === 0);
	}

	/** New clients are told to come back; resolves when every build that was taken in has ended. */
	drain(): Promise<void> {
		this.#stopping = true;
		return this.#conditions.when(() => this.#isEmpty());
	}

	/** Ends what is left and says goodbye. Call once. */
	close(): void {
		this.#stopping = true;
		this.#unsubscribe();
		this.#sampling.cancel();
		for (const connection of [...this.connections]) connection.destroy("proxyStopping");
		for (const entry of this.daemons.values()) entry.forget();
		this.#peers.close();
		this.#announcer.stop();
	}

	admit(connection: Connection): void {
		const { maxQueue } = this.options.limits;
		if (this.#stopping) {
			return connection.fail("proxyStopping", "buildkit-scaler: this proxy is shutting down; try again");
		}
		if (this.#isInquiry(connection)) return this.#inquire(connection);
		if (this.#queue.size >= maxQueue) {
			return connection.fail(
				"queueFull",
				`buildkit-scaler: ${maxQueue} builds are waiting already; try again`,
			);
		}
		this.#queue.add(connection);
		this.#announceOpened(connection);
		this.#pump();
	}

	#isInquiry({ purpose }: Connection): boolean {
		return purpose === "status" && !this.options.wakeOnStatus;
	}

	/** A question about the pool: a daemon that is awake answers, or we do, soon. */
	#inquire(connection: Connection): void {
		this.#inquiries.add(connection);
		this.#pump();
		// Every daemon that may be awake is being asked; none of them is no reason to let the user wait.
		const asked = [...this.daemons.values()].some(({ dials }) => dials.size > 0);
		if (!asked) return this.#answerWithoutDaemon(connection);
		this.#deps.clock.after(this.options.limits.statusMs, () => {
			if (this.#inquiries.has(connection)) this.#answerWithoutDaemon(connection);
		});
	}

	#answerWithoutDaemon(connection: Connection): void {
		const awake = [...this.daemons.values()].some(({ active }) => active > 0);
		const why = awake ? "all daemons of this pool are busy" : "this pool is asleep";
		connection.fail("noWake", `buildkit-scaler: ${why}; a build starts a daemon, this command does not`);
	}

	#announceOpened({ id, client }: Connection): void {
		this.#announcer.announce({ type: "connection.opened", connection: { id, client } });
	}

	whyWaiting(): string {
		return whyWaiting(this.daemons.values());
	}

	answered(_connection: Connection, daemonName: string): void {
		const entry = this.daemons.get(daemonName);
		if (entry !== undefined) entry.reachability = { t: "answering" };
		this.#pump();
	}

	returned(connection: Connection, daemonName: string, error: ScalerError): void {
		const entry = this.daemons.get(daemonName);
		entry?.assigned.delete(connection);
		this.#queue.add(connection);
		if (entry !== undefined) this.#avoid(entry, error);
		if (this.#isInquiry(connection)) return this.#answerWithoutDaemon(connection);
		this.#announcer.announce({ type: "proxy.state" });
		this.#changed();
	}

	moved(connection: Connection, from: ConnectionState, to: ConnectionState): void {
		if (to.t === "closed") this.connections.delete(connection);
		this.#moves.emit(describeMove(connection, this.#deps.clock.now()));
		// A build leaves the pool once: when it is told why it fails, or when it ends.
		if ((to.t === "failing" || to.t === "closed") && from.t !== "opening" && from.t !== "failing") {
			this.#left(connection, from, to.reason);
		}
		this.#changed();
	}

	#left(connection: Connection, from: ConnectionState, reason: CloseReason): void {
		const daemon = from.t === "dialing" || from.t === "live" ? from.daemon.name : null;
		// A client that was turned away was never in the queue, and nobody was told that it came.
		this.#inquiries.delete(connection);
		if (daemon === null && !this.#queue.remove(connection)) return;
		const entry = daemon === null ? undefined : this.daemons.get(daemon);
		entry?.assigned.delete(connection);
		entry?.idle.delete(connection);
		if (from.t === "dialing") entry?.untried();
		const now = this.#deps.clock.now();
		const { id, openedAt, servedAt, bytesFromClient, bytesFromDaemon } = connection;
		this.#announcer.announce({
			type: "connection.closed",
			connection: {
				id,
				daemon,
				reason,
				waitMs: Math.round((servedAt ?? now) - openedAt),
				durationMs: Math.round(now - openedAt),
				bytesFromClient,
				bytesFromDaemon,
			},
		});
	}

	/** Starts as many connects as there are builds waiting without one. */
	#pump(): void {
		const { capacity, balance } = this.options;
		let wanted = this.#queue.size + this.#inquiries.size;
		for (const { dials } of this.daemons.values()) for (const { slow } of dials) if (!slow) wanted--;
		for (; wanted > 0; wanted--) {
			const entry = policies[balance]([...this.#candidates(capacity)])?.entry;
			if (entry === undefined) return;
			this.#dial(entry);
		}
	}

	*#candidates(capacity: number) {
		for (const [name, entry] of this.daemons) {
			const elsewhere = this.#peers.buildsOn(name);
			if (entry.hasRoom(capacity - elsewhere)) {
				yield { name, ordinal: entry.daemon.ordinal, builds: entry.builds + elsewhere, entry };
			}
		}
	}

	#dial(entry: DaemonEntry): void {
		const { reachability } = entry;
		if (reachability.t === "unknown") entry.reachability = { t: "trying", failures: reachability.failures };
		dial(entry, this.options.limits.connectMs, this.#deps.clock, {
			connected: (wire) => this.#connected(entry, wire),
			failed: (error) => this.#avoid(entry, error),
			slow: () => this.#pump(),
		});
	}

	/** A daemon accepted: whoever has waited longest gets it, whoever it was connected for. */
	#connected(entry: DaemonEntry, wire: Wire): void {
		const [inquiry] = this.#inquiries;
		const connection = this.#queue.head() ?? inquiry;
		if (connection === undefined) {
			// An open connection without a preface would delay the daemon's own shutdown by two minutes.
			wire.destroy();
			entry.untried();
			return this.#changed();
		}
		this.#queue.remove(connection);
		entry.assigned.add(connection);
		// From here on it is like a build: it takes a slot, and its daemon stays.
		if (this.#inquiries.delete(connection)) this.#announceOpened(connection);
		connection.assign({ name: entry.daemon.name, wire });
		const waitMs = Math.round(this.#deps.clock.now() - connection.openedAt);
		this.#announcer.announce({
			type: "connection.assigned",
			connection: { id: connection.id, daemon: entry.daemon.name, waitMs },
		});
	}

	#avoid(entry: DaemonEntry, error: ScalerError): void {
		const { log } = this.#deps;
		log.debug({ daemon: entry.daemon.name, error: error.message }, "daemon does not answer");
		entry.avoid(error, this.#deps.clock, () => this.#pump());
		this.#changed();
	}

	#sourceChanged(): void {
		const listed = new Map(this.#deps.source.daemons.map((daemon) => [daemon.name, daemon]));
		for (const [name, entry] of this.daemons) {
			if (listed.has(name)) continue;
			entry.listed = false;
			entry.forget();
		}
		for (const [name, daemon] of listed) {
			const entry = this.daemons.get(name);
			if (entry === undefined) {
				this.daemons.set(name, new DaemonEntry(daemon));
				continue;
			}
			const moved = JSON.stringify(entry.daemon.address) !== JSON.stringify(daemon.address);
			if (moved || !entry.listed) entry.forget();
			const drains = daemon.draining && !entry.daemon.draining;
			entry.daemon = daemon;
			entry.listed = true;
			if (!drains) continue;
			entry.abortDials();
			this.#announcer.announce({ type: "daemon.draining", daemon: name });
		}
		this.#changed();
	}

	/** Finds the connections that fell silent or woke up again. */
	#sample(): void {
		const now = this.#deps.clock.now();
		let changed = false;
		// A peer that is gone leaves room.
		if (this.#peers.forgetSilent()) this.#changed();
		for (const { assigned, idle } of this.daemons.values()) {
			for (const connection of assigned) {
				if (connection.isActive(now) !== idle.has(connection)) continue;
				changed = true;
				if (!idle.delete(connection)) idle.add(connection);
			}
		}
		if (!changed) return;
		this.#announcer.announce({ type: "proxy.state" });
		this.#changed();
	}

	#nextSample(): Timer {
		return this.#deps.clock.after(livenessSampleMs, () => {
			this.#sampling = this.#nextSample();
			this.#sample();
		});
	}

	/** Somebody came, left or changed: forget who is gone, serve who waits, tell who listens. */
	#changed(): void {
		for (const [name, entry] of this.daemons) {
			if (!entry.listed && entry.assigned.size === 0) this.daemons.delete(name);
		}
		this.#pump();
		this.#conditions.recheck();
	}

	/** No build is left: nobody waits, and every connection that still stands is silent or is being told why. */
	#isEmpty(): boolean {
		if (this.#queue.size + this.#inquiries.size > 0) return false;
		for (const { active } of this.daemons.values()) if (active > 0) return false;
		for (const { state } of this.connections) if (state.t === "failing") return false;
		return true;
	}

	#load(): Load {
		const oldest = this.#queue.head();
		const oldestWaitMs = oldest === undefined ? 0 : Math.round(this.#deps.clock.now() - oldest.openedAt);
		return {
			capacity: this.options.capacity,
			waiting: this.#queue.size,
			oldestWaitMs,
			daemons: [...this.daemons].map(([name, { daemon, active, idle }]) => ({
				name,
				ordinal: daemon.ordinal,
				active,
				idle: idle.size,
				draining: daemon.draining,
			})),
		};
	}
}
