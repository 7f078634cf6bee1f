import type { Clock } from "../../common/clock.ts";
import type { ScalerError } from "../../common/error.ts";
import type { Logger } from "../../common/log.ts";
import type { Connection } from "../connection/connection.ts";
import { type PolicyName, policies } from "../daemons/balance.ts";
import type { DaemonEntry } from "../daemons/daemon-entry.ts";
import { dial } from "../daemons/dial.ts";
import type { FairQueue } from "../queue/fair-queue.ts";
import { affinityKeyOf, type OriginKey } from "../queue/origin-key.ts";
import type { Connect } from "../tls/connect.ts";
import type { Wire } from "../wire/wire.ts";
import type { Inquiries } from "./inquiries.ts";
import type { Peers } from "./peers.ts";

/**
 * Connects under way that are not slow: when thousands wait for the daemons of a pool that wakes, starting all of them
 * at once would hold up everybody else for as long as that takes. Each one that ends starts another.
 */
const maxDialsUnderWay = 32;

export interface DialerOptions {
	/** Builds a daemon takes at once. */
	readonly capacity: number;
	/** Which of the daemons with room gets the next build. */
	readonly balance: PolicyName;
	/** For the policy `affinity`: what of its client tells builds that should be on the same daemon. */
	readonly affinityBy: OriginKey;
	/** How daemons are connected to, and how long one may take to accept. */
	readonly connect: Connect;
	readonly connectMs: number;
}

export interface DialerDeps {
	readonly daemons: ReadonlyMap<string, DaemonEntry>;
	readonly queue: FairQueue<Connection>;
	readonly inquiries: Inquiries;
	readonly peers: Peers;
	readonly clock: Clock;
	readonly log: Logger;
}

/** A connect that a daemon accepted. */
export interface Accepted {
	readonly entry: DaemonEntry;
	/** Whom the daemon was chosen for, where the choice depended on that. */
	readonly waiter: Connection | undefined;
	readonly wire: Wire;
	readonly begunAt: number;
}

export interface DialerEvents {
	readonly connected: (accepted: Accepted) => void;
	/** A daemon is left alone for a while. */
	readonly avoided: () => void;
}

/** A daemon with room. */
interface Candidate {
	readonly name: string;
	readonly ordinal: number | null;
	readonly builds: number;
	readonly entry: DaemonEntry;
}

/** Decides which daemons are connected to, and when. Who gets a connect is its pool's to say. */
export class Dialer {
	#options: DialerOptions;
	readonly #deps: DialerDeps;
	readonly #events: DialerEvents;

	constructor(options: DialerOptions, deps: DialerDeps, events: DialerEvents) {
		this.#options = options;
		this.#deps = deps;
		this.#events = events;
	}

	/** Goes on by other rules; what is under way arrives. */
	use(options: DialerOptions): void {
		this.#options = options;
	}

	/** Whether a connect is under way. */
	get isConnecting(): boolean {
		for (const { dials } of this.#deps.daemons.values()) if (dials.size > 0) return true;
		return false;
	}

	/** Starts as many connects as there are builds that may be served and have none under way. */
	pump(): void {
		const { daemons, queue, inquiries } = this.#deps;
		let underWay = 0;
		for (const { dials, slowDials } of daemons.values()) underWay += dials.size - slowDials.size;
		const wanted = Math.min(queue.ready + inquiries.size, maxDialsUnderWay);
		const waiters = this.#options.balance === "affinity" ? this.#withoutDial() : undefined;
		for (; underWay < wanted; underWay++) {
			const candidates = [...this.#candidates()];
			if (candidates.length === 0) return;
			const waiter = waiters?.next().value;
			const entry = this.#choose(candidates, waiter);
			if (entry !== undefined) this.#dial(entry, waiter);
		}
	}

	/** Leaves a daemon alone that failed; `heldMs` is how long it kept a build for nothing, if it accepted. */
	avoid(entry: DaemonEntry, error: ScalerError, heldMs?: number): void {
		const { daemons, log, clock } = this.#deps;
		log.debug({ daemon: entry.daemon.name, error: error.message }, "daemon does not answer");
		// Where no other daemon answers nothing is lost by trying this one again soon.
		const others = [...daemons.values()].some((other) => other !== entry && other.serves);
		entry.avoid(error, others || heldMs === undefined ? heldMs : 0, clock, () => this.pump());
		this.#events.avoided();
	}

	/** Who waits, in order, and has no connect under way that was chosen for it. */
	*#withoutDial(): Generator<Connection, undefined> {
		const { daemons, queue, inquiries } = this.#deps;
		const dialed = new Set<Connection | undefined>();
		for (const { dials, slowDials } of daemons.values()) {
			for (const dial of dials) if (!slowDials.has(dial)) dialed.add(dial.waiter);
		}
		for (const connection of queue.inTurn()) if (!dialed.has(connection)) yield connection;
		for (const connection of inquiries) if (!dialed.has(connection)) yield connection;
	}

	#choose(candidates: readonly Candidate[], waiter: Connection | undefined): DaemonEntry | undefined {
		const { balance, affinityBy } = this.#options;
		const key = waiter === undefined ? "" : affinityKeyOf(waiter.origin, affinityBy);
		// One that does not accept at once is tried again only where there is no other.
		const prompt = candidates.filter(({ entry }) => entry.slowDials.size === 0);
		return policies[balance](prompt.length > 0 ? prompt : candidates, key)?.entry;
	}

	*#candidates(): Generator<Candidate> {
		const { daemons, peers } = this.#deps;
		for (const [name, entry] of daemons) {
			const elsewhere = peers.buildsOn(name);
			if (entry.hasRoom(this.#options.capacity - elsewhere)) {
				yield { name, ordinal: entry.daemon.ordinal, builds: entry.builds + elsewhere, entry };
			}
		}
	}

	#dial(entry: DaemonEntry, waiter: Connection | undefined): void {
		const { reachability } = entry;
		if (reachability.t === "unknown") entry.reachability = { t: "trying", failures: reachability.failures };
		const { connect, connectMs: timeoutMs } = this.#options;
		const { clock } = this.#deps;
		const begunAt = clock.now();
		const events = {
			connected: (wire: Wire) => this.#events.connected({ entry, waiter, wire, begunAt }),
			failed: (error: ScalerError) => this.avoid(entry, error),
			slow: () => this.pump(),
		};
		dial(entry, { waiter, connect, timeoutMs, clock }, events);
	}
}
