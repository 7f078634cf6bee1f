import type { Clock, Timer } from "../common/clock.ts";
import { ScalerError, unreachable } from "../common/error.ts";
import type { CloseReason } from "../events/schema.ts";
import { type AssignedDaemon, type ConnectionState, checkMove } from "./connection-state.ts";
import { HeldBytes } from "./held-bytes.ts";
import { FirstFrame } from "./hold/first-frame.ts";
import { type Purpose, purposeOf } from "./hold/first-request.ts";
import { grpcFailure } from "./hold/grpc-failure.ts";
import { HoldReader, type HoldVerdict } from "./hold/hold-reader.ts";
import { earlySettings, goaway, type H2Error, h2Error, pingAck, settingsAck } from "./hold/http2.ts";
import type { Limits } from "./limits.ts";
import { Liveness } from "./liveness.ts";
import type { Wire } from "./wire.ts";

/** What a connection tells the pool that it belongs to. */
export interface ConnectionOwner {
	/** The first request came, and tells the purpose. The owner assigns it a daemon, now or later, or fails it. */
	admit(connection: Connection): void;
	/** Why no daemon has room, in words for a user. */
	whyWaiting(): string;
	/** The daemon's first frame came. */
	answered(connection: Connection, daemonName: string): void;
	/** The daemon failed before its first frame; the connection waits again. */
	returned(connection: Connection, daemonName: string, error: ScalerError): void;
	/** Called after every change of state, also the last. */
	moved(connection: Connection, from: ConnectionState, to: ConnectionState): void;
}

export interface ConnectionOptions {
	readonly id: string;
	readonly limits: Limits;
	readonly maxWaitMs: number;
	readonly clock: Clock;
	readonly owner: ConnectionOwner;
}

/** One client's connection, from accept to close. connection-state.ts draws its life. */
export class Connection {
	readonly id: string;
	readonly client: string;
	readonly acceptedAt: number;
	/** Known with its first request. */
	purpose: Purpose | undefined;
	/** When its first request came; the place in the queue. */
	openedAt = 0;
	/** When its wait ended: the daemon answered, or it was given up. */
	servedAt: number | undefined;
	#state: ConnectionState;
	readonly #wire: Wire;
	readonly #options: ConnectionOptions;
	readonly #reader = new HoldReader();
	readonly #held: HeldBytes;
	/** Whether the preface was complete, and answered with our SETTINGS. */
	#greeted = false;
	readonly #openStreams = new Set<number>();
	#ackTimer: Timer | undefined;
	#waitTimer: Timer | undefined;
	#liveness: Liveness | undefined;
	#bytesFromDaemon = 0;
	#endedBy: "client" | "daemon" | undefined;

	constructor(wire: Wire, options: ConnectionOptions) {
		const { id, clock, limits } = options;
		this.id = id;
		this.client = `${wire.remoteAddress ?? "?"}:${wire.remotePort ?? "?"}`;
		this.acceptedAt = clock.now();
		this.#wire = wire;
		this.#options = options;
		this.#held = new HeldBytes(limits.maxHeldBytes);
		this.#state = {
			t: "opening",
			timer: clock.after(limits.handshakeMs, () => this.#neverAsked()),
		};
		wire.attach({
			onBytes: (bytes) => this.#clientBytes(bytes),
			onEnd: () => this.#clientEnded(),
			onClose: (error) => this.#clientClosed(error),
		});
	}

	get state(): ConnectionState {
		return this.#state;
	}

	get bytesFromClient(): number {
		return this.#wire.bytesRead;
	}

	get bytesFromDaemon(): number {
		const state = this.#state;
		return state.t === "live" ? state.daemon.wire.bytesRead : this.#bytesFromDaemon;
	}

	/** Whether a build is behind it: true while assigned and not yet answered, then by its traffic. */
	isActive(now: number): boolean {
		return this.#liveness?.sample(now, this.bytesFromClient, this.bytesFromDaemon) ?? true;
	}

	/** Gives the waiting build to a daemon whose wire has just connected. */
	assign(daemon: AssignedDaemon): void {
		const firstFrame = new FirstFrame();
		const { clock, limits } = this.#options;
		const timer = clock.after(limits.firstByteMs, () =>
			this.#daemonFailed(`no answer within ${limits.firstByteMs / 1000} s`),
		);
		this.#setState({ t: "dialing", timer, daemon });
		daemon.wire.write(this.#held.all());
		daemon.wire.attach({
			onBytes: (bytes) => this.#daemonBytes(bytes, firstFrame),
			onEnd: () => this.#daemonEnded(),
			onClose: (error) => this.#daemonClosed(error),
		});
	}

	/** Tells the client why it is not served, on every stream it has or opens, then closes. */
	fail(reason: CloseReason, message: string): void {
		const { clock, limits } = this.#options;
		this.#dropDaemon();
		const timer = clock.after(limits.lingerMs, () => this.#goaway(reason, h2Error.noError, message));
		this.#setState({ t: "failing", timer, reason, message });
		this.#release();
		// Having no daemon, we are the client's server to the end: its SETTINGS are ours to acknowledge.
		this.#wire.write(settingsAck);
		for (const streamId of this.#openStreams) this.#wire.write(grpcFailure(streamId, message));
		this.#openStreams.clear();
	}

	/** Ends both sides at once. */
	destroy(reason: CloseReason): void {
		if (this.#state.t !== "closed") this.#close(reason);
	}

	#clientBytes(bytes: Buffer): boolean {
		const state = this.#state;
		switch (state.t) {
			case "opening":
			case "waiting":
			case "dialing":
			case "failing":
				for (const verdict of this.#reader.read(bytes)) this.#take(verdict);
				return true;
			case "live":
				if (this.#reader.ackSeen) return state.daemon.wire.forward(bytes, this.#wire);
				return this.#relayUntilAck(bytes, state.daemon.wire);
			case "closed":
				return true;
			default:
				return unreachable(state);
		}
	}

	#take(verdict: HoldVerdict): void {
		const { t } = this.#state;
		if (t === "closed") return;
		switch (verdict.t) {
			case "preface":
				return this.#greet();
			case "request":
				return this.#requested(verdict.headers);
			case "keep":
				return this.#keep(verdict.bytes);
			case "settingsAck":
				return this.#ackTimer?.cancel();
			case "ping":
				return this.#answer(pingAck(verdict.payload));
			case "streamOpened":
				if (this.#state.t === "failing") this.#answer(grpcFailure(verdict.streamId, this.#state.message));
				else this.#openStreams.add(verdict.streamId);
				return;
			case "streamReset":
				this.#openStreams.delete(verdict.streamId);
				return;
			case "refuse":
				if (!this.#greeted) return this.#close(verdict.reason);
				return this.#goaway(verdict.reason, verdict.code, verdict.message);
			default:
				return unreachable(verdict);
		}
	}

	/** The preface is complete: the client is answered at once, and from here on waits as long as we like. */
	#greet(): void {
		const { clock, limits } = this.#options;
		this.#greeted = true;
		this.#wire.write(earlySettings);
		this.#ackTimer = clock.after(limits.handshakeMs, () =>
			this.#goaway("noSettingsAck", h2Error.settingsTimeout, "no SETTINGS ACK"),
		);
	}

	/** The client wants something: now it is known what the connection is for. */
	#requested(headers: ReadonlyMap<string, string>): void {
		if (this.#state.t !== "opening") return;
		const { clock, owner, maxWaitMs } = this.#options;
		this.purpose = purposeOf(headers);
		if (this.purpose === "orphan") {
			return this.fail("noBuild", "buildkit-scaler: this belongs to a build that is over");
		}
		this.openedAt = clock.now();
		this.#waitTimer = clock.after(maxWaitMs, () =>
			this.fail("waitTimeout", waitTimeoutMessage(maxWaitMs, owner.whyWaiting())),
		);
		this.#setState({ t: "waiting" });
		owner.admit(this);
	}

	#neverAsked(): void {
		if (this.#greeted) this.#goaway("noRequest", h2Error.noError, "no request");
		else this.#close("noPreface");
	}

	#keep(bytes: Uint8Array): void {
		const state = this.#state;
		if (state.t === "failing") return;
		const copy = this.#held.add(bytes);
		if (copy === undefined) {
			return this.#goaway("heldTooMuch", h2Error.flowControlError, "more bytes than the window allows");
		}
		if (state.t === "dialing") state.daemon.wire.write(copy);
	}

	#answer(bytes: Buffer): void {
		this.#wire.write(bytes);
		if (this.#wire.pendingBytes > this.#options.limits.maxUnreadBytes) this.#close("protocolError");
	}

	#daemonBytes(bytes: Buffer, firstFrame: FirstFrame): boolean {
		const state = this.#state;
		if (state.t === "live") return this.#wire.forward(bytes, state.daemon.wire);
		if (state.t !== "dialing") return true;
		const verdict = firstFrame.read(bytes);
		switch (verdict.t) {
			case "more":
				return true;
			case "notHttp2":
				this.#daemonFailed("answered with something else than HTTP/2");
				return true;
			case "settings":
				this.#becomeLive(state.daemon, verdict.bytes);
				return true;
			default:
				return unreachable(verdict);
		}
	}

	#becomeLive(daemon: AssignedDaemon, first: Buffer): void {
		const { clock, owner } = this.#options;
		this.servedAt = clock.now();
		this.#liveness = new Liveness(this.servedAt);
		this.#setState({ t: "live", daemon });
		this.#release();
		daemon.wire.write(this.#reader.release());
		this.#wire.write(first);
		this.#wire.ownBuffer();
		daemon.wire.ownBuffer();
		owner.answered(this, daemon.name);
	}

	#relayUntilAck(bytes: Buffer, daemon: Wire): boolean {
		let takenWhole = true;
		for (const verdict of this.#reader.read(bytes)) {
			if (verdict.t !== "keep") this.#take(verdict);
			else takenWhole = daemon.forward(Buffer.from(verdict.bytes), this.#wire) && takenWhole;
		}
		if (this.#reader.ackSeen) daemon.write(this.#reader.release());
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
			this.#close(goneReason(state, this.#greeted));
		}
	}

	#clientClosed(error: Error | undefined): void {
		const state = this.#state;
		if (state.t === "closed") return;
		if (state.t !== "live") return this.#close(goneReason(state, this.#greeted));
		if (this.#endedBy === undefined)
			return this.#close(error === undefined ? "clientClosed" : "clientFailed");
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

	#goaway(reason: CloseReason, code: H2Error, message: string): void {
		this.#wire.write(goaway(0, code, message));
		this.#wire.end();
		this.#close(reason);
	}

	#close(reason: CloseReason): void {
		this.#dropDaemon();
		this.#setState({ t: "closed", reason });
		this.#ackTimer?.cancel();
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

function goneReason(state: ConnectionState, greeted: boolean): CloseReason {
	if (state.t === "failing") return state.reason;
	if (state.t !== "opening") return "clientGone";
	return greeted ? "noRequest" : "noPreface";
}

function waitTimeoutMessage(maxWaitMs: number, why: string): string {
	return `buildkit-scaler: no daemon had room for this build within ${maxWaitMs / 1000} s: ${why}`;
}
