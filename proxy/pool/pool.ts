import type { Clock, Timer } from "../../common/clock.ts";
import type { ScalerError } from "../../common/error.ts";
import { Listeners } from "../../common/listeners.ts";
import type { Logger } from "../../common/log.ts";
import type { Bus, Urgency } from "../../events/bus.ts";
import type { CloseReason, PoolSnapshot } from "../../events/schema.ts";
import { Connection, type ConnectionOwner } from "../connection/connection.ts";
import type { ConnectionState, ConnectionStateName } from "../connection/connection-state.ts";
import type { HeldBudget } from "../connection/held-bytes.ts";
import { livenessSampleMs } from "../connection/liveness.ts";
import { type ConnectionMove, describeMove } from "../connection/move.ts";
import type { Origin, Protocol } from "../connection/origin.ts";
import { AsleepTime, BuildWait } from "../connection/wait-phases.ts";
import { type DaemonSource, formatAddress } from "../daemon.ts";
import type { DaemonEntry } from "../daemons/daemon-entry.ts";
import { idleOnDrain } from "../daemons/idle-on-drain.ts";
import { Roster } from "../daemons/roster.ts";
import { tenantIsFull, whyWaiting } from "../daemons/why-waiting.ts";
import { FairQueue } from "../queue/fair-queue.ts";
import type { Connect } from "../tls/connect.ts";
import type { Wire } from "../wire/wire.ts";
import { Announcer, type Load } from "./announcer.ts";
import { Conditions } from "./conditions.ts";
import { type Accepted, Dialer } from "./dialer.ts";
import { Inquiries } from "./inquiries.ts";
import { Peers } from "./peers.ts";
import { dialerOptions, type PoolOptions, queueOptions } from "./pool-options.ts";

export interface PoolDeps {
	/** What the clients that are held may cost, those of other pools too. */
	readonly held: HeldBudget;
	readonly source: DaemonSource;
	/** How its daemons are connected to. */
	readonly connect: Connect;
	readonly bus: Bus;
	readonly clock: Clock;
	readonly log: Logger;
}

/** The daemons behind one address and everyone who wants one: who waits, who is where, who is next. */
export class Pool implements ConnectionOwner {
	#options: PoolOptions;
	readonly connections = new Set<Connection>();
	readonly queue: FairQueue<Connection>;
	readonly #deps: PoolDeps;
	readonly #roster: Roster;
	readonly #asleep: AsleepTime;
	readonly #inquiries: Inquiries;
	/** Those whose `connection.opened` was announced, so that `connection.closed` will be. */
	readonly #announced = new Set<Connection>();
	readonly #moves = new Listeners<[ConnectionMove]>();
	readonly #conditions = new Conditions();
	readonly #announcer: Announcer;
	readonly #dialer: Dialer;
	readonly #peers: Peers;
	readonly #unsubscribe: () => void;
	#sampling: Timer;
	/** Out of time: who still wants a daemon is told so. */
	#turnsAway = false;
	#nextId = 1;

	constructor(options: PoolOptions, deps: PoolDeps) {
		this.#options = options;
		this.#deps = deps;
		this.#asleep = new AsleepTime(deps.clock.now());
		const { proxy, incarnation, admin, namespace, name } = options;
		this.queue = new FairQueue(queueOptions(options));
		this.#roster = new Roster(deps.source, (draining) => this.#sourceChanged(draining));
		this.#inquiries = new Inquiries(this.#roster.entries, deps.clock, options.limits.statusMs);
		const speaker = { proxy, incarnation, admin, namespace, pool: name };
		this.#announcer = new Announcer(deps.bus, deps.clock, speaker, () => this.#load());
		this.#peers = new Peers({ proxy, incarnation }, { namespace, pool: name }, deps.bus, deps.clock, () =>
			this.#changed(),
		);
		this.#dialer = new Dialer(
			dialerOptions(options, deps.connect),
			{ daemons: this.daemons, queue: this.queue, inquiries: this.#inquiries, peers: this.#peers, ...deps },
			{
				connected: (accepted) => this.#connected(accepted),
				avoided: () => this.#changed(),
			},
		);
		this.#unsubscribe = deps.bus.onAskToDrain(({ daemon }) => this.#askedToDrain(daemon), {
			namespace,
			pool: name,
		});
		this.#sampling = this.#nextSample();
	}

	get options(): PoolOptions {
		return this.#options;
	}

	get daemons(): ReadonlyMap<string, DaemonEntry> {
		return this.#roster.entries;
	}

	get waiting(): number {
		return this.queue.size;
	}

	/** Every change of state of every connection, in order. */
	onMove(listener: (move: ConnectionMove) => void): () => void {
		return this.#moves.add(listener);
	}

	/** Takes in a client that was just accepted. */
	accept(wire: Wire, protocol: Protocol, origin: Origin): void {
		const { limits, maxWaitMs, incarnation } = this.options;
		const id = `${incarnation.toString(36)}-${this.#nextId++}`;
		const { clock } = this.#deps;
		const heldBudget = this.#deps.held;
		const options = { id, protocol, origin, limits, maxWaitMs, heldBudget, clock, owner: this };
		const connection = new Connection(wire, options);
		this.connections.add(connection);
		this.#moves.emit(describeMove(connection, undefined, clock.now()));
	}

	/** What the bus would be told now, for whoever asks on another way. */
	snapshot(): PoolSnapshot {
		return this.#announcer.snapshot();
	}

	/** Resolves when no build is on the daemon and none is on its way to it. */
	whenUnused(daemonName: string): Promise<void> {
		return this.#conditions.when(() => (this.daemons.get(daemonName)?.builds ?? 0) === 0);
	}

	/** Goes on with other options (but the same name), daemons and ways to them. Nobody who is in notices. */
	reconfigure(options: PoolOptions, source: DaemonSource, connect: Connect): void {
		const { fairBy, maxPerTenant } = this.#options;
		this.#options = options;
		this.#dialer.use(dialerOptions(options, connect));
		if (fairBy !== options.fairBy || maxPerTenant !== options.maxPerTenant) {
			this.queue.use(queueOptions(options));
		}
		this.#turnsAway = false;
		this.#roster.use(source);
		this.#changed();
	}

	/** Resolves when every client that was let in has been served. */
	whenEmpty(): Promise<void> {
		return this.#conditions.when(() => this.#isEmpty());
	}

	/** Tells those that wait that no daemon will come; resolves when all of them have read it, or had time to. */
	turnAwayWaiting(): Promise<void> {
		this.#turnsAway = true;
		for (const connection of this.connections) {
			const { t } = connection.state;
			if (t === "waiting" || t === "dialing") this.#turnAway(connection);
		}
		return this.#conditions.when(() => !this.#hasAny("failing"));
	}

	#turnAway(connection: Connection): void {
		connection.fail("proxyStopping", "buildkit-scaler: this proxy is shutting down; try again");
	}

	/** Ends what is left and says goodbye. Call once. */
	close(): void {
		this.#sampling.cancel();
		for (const connection of [...this.connections]) connection.destroy("proxyStopping");
		this.#unsubscribe();
		this.#roster.close();
		this.#peers.close();
		this.#announcer.stop();
	}

	admit(connection: Connection): void {
		const { maxQueue } = this.options.limits;
		const { refusal } = connection.origin;
		if (refusal !== undefined) return connection.fail(refusal.reason, refusal.message);
		if (this.#turnsAway) return this.#turnAway(connection);
		if (this.#isInquiry(connection)) return this.#inquiries.ask(connection, () => this.#pump());
		if (this.queue.size >= maxQueue) {
			return connection.fail(
				"queueFull",
				`buildkit-scaler: ${maxQueue} builds are waiting already; try again`,
			);
		}
		this.queue.add(connection);
		this.#pump();
		// While a daemon's accept is awaited the world can be, too; where there is none, it is the world that must hurry.
		this.#announceOpened(connection, this.#dialer.isConnecting ? "soon" : "now");
	}

	#isInquiry({ purpose }: Connection): boolean {
		return purpose === "status" && !this.options.wakeOnStatus;
	}

	#announceOpened(connection: Connection, urgency: Urgency): void {
		const { id, client } = connection;
		this.#announced.add(connection);
		this.#announcer.announce({ type: "connection.opened", connection: { id, client } }, urgency);
	}

	whyWaiting(connection: Connection): string {
		const { fairBy, maxPerTenant } = this.options;
		if (maxPerTenant !== undefined && this.queue.isCapped(connection))
			return tenantIsFull(fairBy, maxPerTenant);
		return whyWaiting(this.daemons.values(), this.#roster.source.whyNone?.());
	}

	answered(_connection: Connection, daemonName: string): void {
		this.daemons.get(daemonName)?.answered();
		this.#pump();
	}

	returned(connection: Connection, daemonName: string, error: ScalerError): void {
		const entry = this.daemons.get(daemonName);
		entry?.assigned.delete(connection);
		connection.wait?.returned();
		const inquires = this.#isInquiry(connection);
		if (!inquires) this.queue.add(connection);
		if (entry !== undefined) this.#dialer.avoid(entry, error, this.#deps.clock.now() - connection.assignedAt);
		if (inquires) return this.#inquiries.answerWithoutDaemon(connection);
		this.#announcer.announce({ type: "proxy.state" });
		this.#changed();
	}

	broke({ id }: Connection, error: ScalerError): void {
		this.#deps.log.error(
			{ connection: id, err: error.cause ?? error },
			"a fault of ours ends this connection",
		);
	}

	moved(connection: Connection, from: ConnectionState, to: ConnectionState): void {
		if (to.t === "closed") this.connections.delete(connection);
		if (to.t === "waiting") connection.wait ??= new BuildWait(connection.openedAt, this.#asleep);
		this.#moves.emit(describeMove(connection, from, this.#deps.clock.now()));
		// A build leaves the pool once: when it is told why it fails, or when it ends.
		if ((to.t === "failing" || to.t === "closed") && from.t !== "opening" && from.t !== "failing") {
			this.#left(connection, from, to.reason);
		}
		this.#changed();
	}

	#left(connection: Connection, from: ConnectionState, reason: CloseReason): void {
		const daemon = from.t === "dialing" || from.t === "live" ? from.daemon.name : null;
		const entry = daemon === null ? undefined : this.daemons.get(daemon);
		this.queue.remove(connection);
		this.queue.ended(connection);
		this.#inquiries.delete(connection);
		entry?.assigned.delete(connection);
		entry?.idle.delete(connection);
		if (from.t === "dialing") entry?.untried();
		// Of a client that was turned away nobody was told that it came.
		if (!this.#announced.delete(connection)) return;
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

	/** A daemon accepted: whoever it was chosen for gets it, or else whoever is next. */
	#connected({ entry, waiter, wire, begunAt }: Accepted): void {
		const chosen = waiter !== undefined && this.queue.isReady(waiter) ? waiter : this.queue.next();
		const [inquiry] = this.#inquiries;
		const connection = chosen ?? inquiry;
		if (connection === undefined) {
			// An open connection without a preface would delay the daemon's own shutdown by two minutes.
			wire.destroy();
			entry.untried();
			return this.#changed();
		}
		entry.assigned.add(connection);
		// From here on a question is like a build: it takes a slot, and its daemon stays.
		if (this.#inquiries.delete(connection)) this.#announceOpened(connection, "soon");
		else this.queue.take(connection);
		const now = this.#deps.clock.now();
		connection.wait?.assigned(now, begunAt);
		connection.assign({ name: entry.daemon.name, wire });
		const waitMs = Math.round(now - connection.openedAt);
		this.#announcer.announce({
			type: "connection.assigned",
			connection: { id: connection.id, daemon: entry.daemon.name, waitMs },
		});
	}

	#pump(): void {
		this.#roster.source.hurry?.(this.queue.ready > 0);
		this.#dialer.pump();
	}

	#sourceChanged(draining: readonly string[]): void {
		for (const daemon of draining) this.#announcer.announce({ type: "daemon.draining", daemon });
		this.#endIdleOnDrain();
		this.#changed();
	}

	/** A scaler wants a daemon to end. The announcement confirms that it gets nothing more from here. */
	#askedToDrain(daemon: string): void {
		const entry = this.daemons.get(daemon);
		if (entry === undefined || !entry.listed) return;
		const drained = entry.draining;
		const isNew = entry.markDraining(this.#deps.clock, () => {
			this.#announcer.announce({ type: "proxy.state" });
			this.#changed();
		});
		if (!isNew) return;
		this.#announcer.announce(drained ? { type: "proxy.state" } : { type: "daemon.draining", daemon });
		this.#endIdleOnDrain();
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
				const active = connection.sample(now);
				if (connection.state.t === "closed" || active !== idle.has(connection)) continue;
				changed = true;
				const silent = !idle.delete(connection);
				if (silent) idle.add(connection);
				this.queue.setSilent(connection, silent);
			}
		}
		this.#endIdleOnDrain();
		if (!changed) return;
		this.#announcer.announce({ type: "proxy.state" });
		this.#changed();
	}

	/** Called when a daemon begins to drain, and with each sample, as a build may have ended since. */
	#endIdleOnDrain(): void {
		for (const connection of idleOnDrain(this.daemons.values(), this.connections)) {
			connection.destroy("idleOnDrain");
		}
	}

	#nextSample(): Timer {
		return this.#deps.clock.after(livenessSampleMs, () => {
			this.#sampling = this.#nextSample();
			this.#sample();
		});
	}

	/** Somebody came, left or changed: forget who is gone, serve who waits, tell who listens. */
	#changed(): void {
		this.#roster.forgetGone();
		this.#asleep.update(this.#roster.isUp, this.#deps.clock.now());
		this.#pump();
		this.#conditions.recheck();
	}

	/** No client is left but silent ones. One that has not asked yet will within the handshake's limit, or is let go. */
	#isEmpty(): boolean {
		for (const { active } of this.daemons.values()) if (active > 0) return false;
		// Not the queue's size: who has just asked is not in it yet.
		return !this.#hasAny("opening", "waiting", "dialing", "failing");
	}

	#hasAny(...states: readonly ConnectionStateName[]): boolean {
		for (const { state } of this.connections) if (states.includes(state.t)) return true;
		return false;
	}

	#load(): Load {
		const oldest = this.queue.oldest();
		const oldestWaitMs = oldest === undefined ? 0 : Math.round(this.#deps.clock.now() - oldest.openedAt);
		return {
			capacity: this.options.capacity,
			waiting: this.queue.size,
			oldestWaitMs,
			daemons: [...this.daemons].map(([name, { daemon, draining, active, idle }]) => ({
				name,
				address: formatAddress(daemon.address),
				ordinal: daemon.ordinal,
				active,
				idle: idle.size,
				draining,
			})),
		};
	}
}
