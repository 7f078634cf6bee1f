import type { Clock, Timer } from "../../common/clock.ts";
import { ScalerError, unreachable } from "../../common/error.ts";
import type { CloseReason } from "../../events/schema.ts";
import type { Purpose } from "../hold/first-request.ts";
import { H2Hold } from "../hold/h2-hold.ts";
import type { FirstAnswer, Hold, HoldEvents } from "../hold/hold.ts";
import { h2Error } from "../hold/http2.ts";
import { TlsHold } from "../hold/tls-hold.ts";
import type { TraceParent } from "../hold/trace-parent.ts";
import type { Limits } from "../limits.ts";
import { guardedEvents } from "../wire/guarded-events.ts";
import type { Wire, WireEvents } from "../wire/wire.ts";
import { type AssignedDaemon, type ConnectionState, checkMove } from "./connection-state.ts";
import { type HeldBudget, HeldBytes } from "./held-bytes.ts";
import { Liveness } from "./liveness.ts";
import type { Origin, Protocol } from "./origin.ts";
import type { BuildWait } from "./wait-phases.ts";

/** What a connection tells the pool that it belongs to. */
export interface ConnectionOwner {
	/** The first request came, and tells the purpose. The owner assigns it a daemon, now or later, or fails it. */
	admit(connection: Connection): void;
	/** Why no daemon was given to it, in words for a user. */
	whyWaiting(connection: Connection): string;
	/** The daemon's first frame came. */
	answered(connection: Connection, daemonName: string): void;
	/** The daemon failed before its first frame; the connection waits again. */
	returned(connection: Connection, daemonName: string, error: ScalerError): void;
	/** A fault of ours, about to end it. */
	broke(connection: Connection, error: ScalerError): void;
	/** Called after every change of state, also the last. */
	moved(connection: Connection, from: ConnectionState, to: ConnectionState): void;
}

export interface ConnectionOptions {
	readonly id: string;
	readonly protocol: Protocol;
	readonly origin: Origin;
	readonly limits: Limits;
	readonly maxWaitMs: number;
	/** Shared by all that are held. */
	readonly heldBudget: HeldBudget;
	readonly clock: Clock;
	readonly owner: ConnectionOwner;
}

/** One client's connection, from accept to close. connection-state.ts draws its life. */
export class Connection {
	readonly id: string;
	readonly origin: Origin;
	readonly acceptedAt: number;
	/** Known with its first request. */
	purpose: Purpose | undefined;
	/** The trace that its first request belongs to. */
	traceParent: TraceParent | undefined;
	/** What it waits for; kept by the owner. */
	wait: BuildWait | undefined;
	/** When its first request came; the place in the queue. */
	openedAt = 0;
	/** When it was last given a daemon. */
	assignedAt = 0;
	/** When its wait ended: the daemon answered, or it was given up. */
	servedAt: number | undefined;
	#state: ConnectionState;
	readonly #wire: Wire;
	readonly #options: ConnectionOptions;
	readonly #hold: Hold;
	readonly #held: HeldBytes;
	#waitTimer: Timer | undefined;
	#liveness: Liveness | undefined;
	#bytesFromDaemon = 0;
	#endedBy: "client" | "daemon" | undefined;

	constructor(wire: Wire, options: ConnectionOptions) {
		const { id, protocol, origin, clock, limits, heldBudget } = options;
		this.id = id;
		this.origin = origin;
		this.acceptedAt = clock.now();
		this.#wire = wire;
		this.#options = options;
		this.#held = new HeldBytes(limits.maxHeldBytes, heldBudget);
		const events: HoldEvents = {
			requested: (purpose, traceParent) => this.#requested(purpose, traceParent),
			keep: (bytes) => this.#keep(bytes),
			refused: (reason, message) => this.#close(reason, message),
		};
		this.#hold =
			protocol === "h2" ? new H2Hold(wire, events, { ...limits, clock }) : new TlsHold(wire, events);
		this.#state = {
			t: "opening",
			timer: clock.after(limits.handshakeMs, () => this.#neverAsked()),
		};
		this.#attach(wire, {
			onBytes: (bytes) => this.#clientBytes(bytes),
			onEnd: () => this.#clientEnded(),
			onClose: (error) => this.#clientClosed(error),
		});
	}

	get state(): ConnectionState {
		return this.#state;
	}

	/** The client's address and port. */
	get client(): string {
		return `${this.origin.address}:${this.origin.port}`;
	}

	get bytesFromClient(): number {
		return this.#wire.bytesRead;
	}

	get bytesFromDaemon(): number {
		const state = this.#state;
		return state.t === "live" ? state.daemon.wire.bytesRead : this.#bytesFromDaemon;
	}

	/**
	 * Looks at the traffic, and ends a connection that nobody is behind any more. Returns whether a build is: true while
	 * assigned and not yet answered.
	 */
	sample(now: number): boolean {
		if (this.#liveness === undefined || this.#state.t !== "live") return this.#state.t !== "closed";
		const verdict = this.#liveness.sample(now, {
			fromClient: this.bytesFromClient,
			fromDaemon: this.bytesFromDaemon,
			clientIsOwed: this.#wire.pendingBytes > 0,
			halfClosed: this.#endedBy !== undefined,
		});
		if (verdict === "frozen") this.#close("clientFrozen");
		if (verdict === "abandoned") this.#close(this.#endedBy === "client" ? "clientClosed" : "daemonClosed");
		return verdict === "active";
	}

	/** Gives the waiting build to a daemon whose wire has just connected. */
	assign(daemon: AssignedDaemon): void {
		const firstAnswer = this.#hold.firstAnswer();
		const { clock, limits } = this.#options;
		// Its bytes first: the daemon reads them while the rest is done and said here.
		daemon.wire.write(this.#held.all());
		const timer = clock.after(limits.firstByteMs, () =>
			this.#daemonFailed(`no answer within ${limits.firstByteMs / 1000} s`),
		);
		this.assignedAt = clock.now();
		this.#setState({ t: "dialing", timer, daemon });
		this.#attach(daemon.wire, {
			onBytes: (bytes) => this.#daemonBytes(bytes, firstAnswer),
			onEnd: () => this.#daemonEnded(),
			onClose: (error) => this.#daemonClosed(error),
		});
	}

	/** Tells the client why it is not served, on every stream it has or opens, then closes. */
	fail(reason: CloseReason, message: string): void {
		const { clock, limits } = this.#options;
		this.#dropDaemon();
		const timer = clock.after(limits.lingerMs, () => {
			this.#hold.goodbye(h2Error.noError, message);
			this.#close(reason);
		});
		this.#setState({ t: "failing", timer, reason, message });
		this.#release();
		this.#hold.fail(message);
	}

	/** Ends both sides at once. */
	destroy(reason: CloseReason): void {
		if (this.#state.t !== "closed") this.#close(reason);
	}

	#attach(wire: Wire, events: WireEvents): void {
		wire.attach(guardedEvents(events, (thrown) => this.#broke(thrown)));
	}

	/** A fault of ours. What became of the connection is uncertain, so it ends here, and nobody else's does. */
	#broke(thrown: unknown): void {
		this.#options.owner.broke(this, ScalerError.from(thrown));
		this.destroy("internalError");
	}

	#clientBytes(bytes: Buffer): boolean {
		const state = this.#state;
		switch (state.t) {
			case "opening":
			case "waiting":
			case "dialing":
			case "failing":
				return this.#hold.read(bytes);
			case "live":
				if (this.#hold.isTransparent) return state.daemon.wire.forward(bytes, this.#wire);
				return this.#relayUntilTransparent(bytes, state.daemon.wire);
			case "closed":
				return true;
			default:
				return unreachable(state);
		}
	}

	/** The client wants something: now it is known what the connection is for. */
	#requested(purpose: Purpose, traceParent: TraceParent | undefined): void {
		if (this.#state.t !== "opening") return;
		const { clock, owner, maxWaitMs } = this.#options;
		this.purpose = purpose;
		this.traceParent = traceParent;
		if (purpose === "orphan") {
			return this.fail("noBuild", "buildkit-scaler: this belongs to a build that is over");
		}
		this.openedAt = clock.now();
		const { maxWaitMs: holdMs } = this.#hold;
		this.#waitTimer =
			holdMs !== undefined && holdMs < maxWaitMs
				? clock.after(holdMs, () => this.#letGo())
				: clock.after(maxWaitMs, () =>
						this.fail("waitTimeout", waitTimeoutMessage(maxWaitMs, owner.whyWaiting(this))),
					);
		this.#setState({ t: "waiting" });
		owner.admit(this);
	}

	/** The client would give up by itself in a moment, and could not be told anything. It may try again. */
	#letGo(): void {
		this.#hold.goodbye(h2Error.noError, "not held any longer");
		this.#close("passthroughWait");
	}

	#neverAsked(): void {
		this.#hold.goodbye(h2Error.noError, "no request");
		this.#close(this.#hold.unasked);
	}

	#keep(bytes: Uint8Array): boolean {
		const state = this.#state;
		if (state.t === "live") return state.daemon.wire.forward(Buffer.from(bytes), this.#wire);
		if (state.t === "failing") return true;
		const copy = this.#held.add(bytes);
		if (copy === "heldTooMuch") {
			const message = "more bytes than the window allows";
			this.#hold.goodbye(h2Error.flowControlError, message);
			this.#close(copy, message);
		} else if (copy === "holdFull") {
			this.fail(copy, "buildkit-scaler: this proxy holds as much as it may for waiting builds; try again");
		} else if (state.t === "dialing") {
			state.daemon.wire.write(copy);
		}
		return true;
	}

	#daemonBytes(bytes: Buffer, firstAnswer: FirstAnswer): boolean {
		const state = this.#state;
		if (state.t === "live") return this.#wire.forward(bytes, state.daemon.wire);
		if (state.t !== "dialing") return true;
		const verdict = firstAnswer.read(bytes);
		switch (verdict.t) {
			case "more":
				return true;
			case "wrong":
				this.#daemonFailed(verdict.why);
				return true;
			case "answered":
				this.#becomeLive(state.daemon, verdict.bytes);
				return true;
			default:
				return unreachable(verdict);
		}
	}

	#becomeLive(daemon: AssignedDaemon, first: Buffer): void {
		const { clock, limits, owner } = this.#options;
		// The client's bytes first: what else there is to do and to say about it can wait for them.
		this.#wire.write(first);
		daemon.wire.write(this.#hold.release());
		this.servedAt = clock.now();
		this.#liveness = new Liveness(this.servedAt, limits.frozenAfterMs);
		this.#setState({ t: "live", daemon });
		this.#release();
		this.#wire.ownBuffer();
		daemon.wire.ownBuffer();
		if (this.#hold.isTransparent) this.#wire.join(daemon.wire);
		owner.answered(this, daemon.name);
	}

	#relayUntilTransparent(bytes: Buffer, daemon: Wire): boolean {
		const takenWhole = this.#hold.read(bytes);
		if (this.#hold.isTransparent) {
			daemon.write(this.#hold.release());
			this.#wire.join(daemon);
		}
		return takenWhole;
	}

	/** The daemon is of no use and nothing of it has reached the client: the build waits for another one. */
	#daemonFailed(why: string): void {
		const state = this.#state;
		if (state.t !== "dialing") return;
		const { name } = state.daemon;
		this.#dropDaemon();
		this.#setState({ t: "waiting" });
		this.#options.owner.returned(this, name, new ScalerError("DAEMON_UNAVAILABLE", `daemon ${name}: ${why}`));
	}

	#clientEnded(): void {
		const state = this.#state;
		if (state.t === "live") {
			this.#endedBy ??= "client";
			state.daemon.wire.end();
		} else if (state.t !== "closed") {
			// A client that waits for an answer never half-closes: it was killed or gave up.
			this.#close(goneReason(state, this.#hold.unasked));
		}
	}

	#clientClosed(error: Error | undefined): void {
		const state = this.#state;
		if (state.t === "closed") return;
		if (state.t !== "live") return this.#close(goneReason(state, this.#hold.unasked));
		if (this.#endedBy === undefined) return this.#close(isLoss(error) ? "clientFailed" : "clientClosed");
		this.#close(this.#endedBy === "client" ? "clientClosed" : "daemonClosed");
	}

	#daemonEnded(): void {
		const state = this.#state;
		if (state.t === "dialing") return this.#daemonFailed("closed before its first answer");
		if (state.t !== "live") return;
		this.#endedBy ??= "daemon";
		this.#wire.end();
	}

	#daemonClosed(error: Error | undefined): void {
		const state = this.#state;
		if (state.t === "dialing") return this.#daemonFailed(error?.message ?? "closed before its first answer");
		// A daemon that ended in peace has passed its FIN on; the client's own end is still to come.
		if (state.t !== "live" || (error === undefined && this.#endedBy === "daemon")) return;
		if (this.#endedBy === "client") return this.#close("clientClosed");
		this.#close(error === undefined ? "daemonClosed" : "daemonFailed");
	}

	#close(reason: CloseReason, message?: string): void {
		this.#dropDaemon();
		this.#setState({ t: "closed", reason, ...(message === undefined ? {} : { message }) });
		this.#hold.close();
		this.#release();
		// What the client was sent last, it gets a moment to read.
		if (this.#wire.pendingBytes > 0 && reason !== "protocolError") {
			this.#wire.end();
			this.#options.clock.after(this.#options.limits.lingerMs, () => this.#wire.destroy());
		} else {
			this.#wire.destroy();
		}
	}

	/** Lets go of what only a wait needs. */
	#release(): void {
		this.#waitTimer?.cancel();
		this.#held.clear();
	}

	#dropDaemon(): void {
		const state = this.#state;
		if (state.t !== "dialing" && state.t !== "live") return;
		this.#bytesFromDaemon = state.daemon.wire.bytesRead;
		state.daemon.wire.destroy();
	}

	#setState(to: ConnectionState): void {
		const from = this.#state;
		checkMove(from.t, to.t);
		if ("timer" in from) from.timer.cancel();
		this.#state = to;
		this.#options.owner.moved(this, from, to);
	}
}

/**
 * Whether the connection was lost, rather than left. A client that ends before it has read everything, as buildctl may
 * when its build is done, resets its connection (RFC 1122, 4.2.2.13).
 */
function isLoss(error: Error | undefined): boolean {
	const code = error !== undefined && "code" in error ? error.code : undefined;
	return error !== undefined && code !== "ECONNRESET" && code !== "EPIPE";
}

function goneReason(state: ConnectionState, unasked: CloseReason): CloseReason {
	if (state.t === "failing") return state.reason;
	return state.t === "opening" ? unasked : "clientGone";
}

function waitTimeoutMessage(maxWaitMs: number, why: string): string {
	return `buildkit-scaler: no daemon had room for this build within ${maxWaitMs / 1000} s: ${why}`;
}
