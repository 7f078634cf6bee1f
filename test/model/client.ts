import type { Origin } from "../../proxy/connection/origin.ts";
import { defaultLimits } from "../../proxy/limits.ts";
import { clientHello, readAnswer } from "./hello.ts";
import type { Pod } from "./pod.ts";
import type { ProxyProcess } from "./proxy-process.ts";
import type { Random } from "./random.ts";
import { SimWire } from "./sim-wire.ts";
import type { World } from "./world.ts";

/** When TCP keepalive tells a proxy that its client's host is dead. */
const keepaliveMs =
	defaultLimits.keepAliveMs + defaultLimits.keepAliveProbes * defaultLimits.keepAliveIntervalMs;

/** A build that a proxy has, and the pod that it gave it to. */
export interface Carried {
	readonly client: Client;
	readonly wire: SimWire;
	readonly pod: Pod | undefined;
}

/** How a client leaves before its build is over. `vanish`: its machine is gone, and says nothing. */
export type Leaving = { readonly afterMs: number; readonly how: "close" | "reset" | "vanish" };

export interface ClientPlan {
	readonly buildMs: number;
	readonly leaving?: Leaving | undefined;
}

type ClientState =
	/** Without a connection; it tries again. */
	| { readonly t: "away" }
	/** Held by a proxy, or its daemon has answered and the Solve is about to begin. */
	| {
			readonly t: "connected";
			readonly proxy: ProxyProcess;
			readonly wire: SimWire;
			readonly since: number;
			told: boolean;
			served: boolean;
	  }
	| { readonly t: "builds"; readonly wire: SimWire | undefined; readonly pod: Pod; readonly since: number }
	| { readonly t: "over"; readonly how: "done" | "left" | "lost" };

/** A buildctl: connects, waits, builds, and connects again as grpc-go does when it loses a connection before its Solve. */
export class Client {
	readonly number: number;
	/** Its machine is gone, although nobody was told. */
	vanished = false;
	readonly #world: World;
	readonly #plan: ClientPlan;
	readonly #random: Random;
	#state: ClientState = { t: "away" };
	#assignedTo: Pod | undefined;
	readonly #since: number;

	constructor(world: World, number: number, plan: ClientPlan) {
		this.#world = world;
		this.number = number;
		this.#plan = plan;
		this.#random = world.random.fork(`client ${number}`);
		this.#since = world.time.now;
		const { leaving } = plan;
		if (leaving !== undefined) world.time.after(leaving.afterMs, () => this.#leave(leaving.how));
	}

	get isOver(): boolean {
		return this.#state.t === "over";
	}

	/** Since when its Solve runs; undefined when it does not. */
	get buildsSince(): number | undefined {
		return this.#state.t === "builds" ? this.#state.since : undefined;
	}

	/** Where its proxy has put it. */
	get pod(): Pod | undefined {
		return this.#assignedTo?.carries(this) === true ? this.#assignedTo : undefined;
	}

	/** Since when it is held by its proxy, or its Solve is about to begin; undefined otherwise. */
	get waitsSince(): number | undefined {
		return !this.vanished && this.#state.t === "connected" ? this.#state.since : undefined;
	}

	/** Whether a proxy that has this wire of it has a build of it. */
	isOn(wire: SimWire): boolean {
		const state = this.#state;
		if (this.vanished || state.t === "away" || state.t === "over" || state.wire !== wire) return false;
		return state.t === "builds" || !state.told;
	}

	describe(): string {
		return `build ${this.number}`;
	}

	connect(): void {
		if (this.#state.t !== "away" || this.vanished) return;
		const { proxies } = this.#world;
		const [first, ...others] = proxies.filter(({ accepts }) => accepts);
		if (first === undefined) return this.#retry();
		const proxy = this.#random.pick([first, ...others]);
		const wire = new SimWire(this.#world.time);
		const state: ClientState = {
			t: "connected",
			proxy,
			wire,
			since: this.#world.time.now,
			told: false,
			served: false,
		};
		this.#state = state;
		wire.far = {
			written: (bytes) => this.#heard(state, bytes),
			closed: () => this.#closed(state, wire),
		};
		this.#world.trace(() => `${this.describe()} connects to ${proxy.name}`);
		proxy.accept(this, wire, originOf(this.number));
		wire.say(clientHello(this.number));
	}

	/** Goes straight to a daemon. */
	connectAround(pod: Pod): void {
		if (!pod.solve(this)) return this.#over("left");
		this.#world.trace(() => `${this.describe()} goes around the proxies to ${pod.name}`);
		this.#build(undefined, pod);
	}

	/** A proxy gave it to a pod. */
	assigned(pod: Pod): void {
		this.#assignedTo = pod;
	}

	/** Its build cannot go on. */
	lose(why: string, allowed: boolean): void {
		this.#world.trace(() => `${this.describe()} is lost: ${why}`);
		if (!allowed && !this.vanished) this.#world.fail("L1", `${this.describe()} was lost: ${why}`);
		this.#over("lost");
	}

	/** The process that carried its connection is dead. */
	carrierDied(wire: SimWire): void {
		const state = this.#state;
		if (state.t === "builds" && state.wire === wire) return this.lose("its proxy crashed", true);
		if (state.t === "connected" && state.wire === wire) this.#retry();
	}

	#heard(state: ClientState & { t: "connected" }, bytes: Uint8Array): void {
		const answer = readAnswer(bytes);
		if (answer === undefined || this.vanished) return;
		if (answer.t === "told") {
			state.told = true;
			// It ends with an error that its user reads; the user tries again.
			this.#world.time.after(1, () => {
				if (this.#state !== state) return;
				this.#retry();
				state.wire.hangUp();
			});
			return;
		}
		state.served = true;
		const pod = this.#world.workload.pod(answer.pod);
		this.#world.time.after(this.#random.magnitude(1, 300), () => {
			if (this.#state !== state || pod === undefined || !pod.solve(this)) return;
			this.#world.served(this.#world.time.now - this.#since);
			this.#world.trace(() => `${this.describe()} begins on ${pod.name}`);
			state.wire.talk(true);
			this.#build(state.wire, pod);
		});
	}

	#build(wire: SimWire | undefined, pod: Pod): void {
		const { time } = this.#world;
		this.#state = { t: "builds", wire, pod, since: time.now };
		time.after(this.#plan.buildMs, () => {
			if (this.#state.t !== "builds" || this.vanished) return;
			this.#over("done");
			pod.solved(this);
			wire?.hangUp();
		});
	}

	/** The proxy closed the connection. */
	#closed(state: ClientState & { t: "connected" }, wire: SimWire): void {
		const current = this.#state;
		if (current.t === "builds" && current.wire === wire) {
			this.lose("its proxy closed the connection", false);
			return;
		}
		if (current !== state) return;
		this.#world.time.after(1, () => wire.hangUp());
		// Before its Solve a client connects again by itself when its daemon says goodbye, or the proxy has told it why.
		if (!state.told && !state.served && !this.vanished) {
			this.#world.fail("I4", `${this.describe()} waited, and was closed without a word`);
		}
		this.#retry();
	}

	#retry(): void {
		this.#state = { t: "away" };
		if (this.vanished) return this.#over("left");
		this.#world.time.after(this.#random.int(500, 1_500), () => this.connect());
	}

	#leave(how: Leaving["how"]): void {
		const state = this.#state;
		if (state.t === "over") return;
		this.#world.trace(() => `${this.describe()} leaves (${how})`);
		if (state.t === "away") return this.#over("left");
		const { wire } = state;
		if (how === "vanish" && wire !== undefined) {
			this.vanished = true;
			wire.talk(false);
			this.#world.time.after(keepaliveMs, () => this.#end(wire, new Error("read ETIMEDOUT")));
			return;
		}
		this.#end(wire, how === "reset" ? new Error("read ECONNRESET") : undefined);
	}

	#end(wire: SimWire | undefined, error: Error | undefined): void {
		const state = this.#state;
		if (state.t === "over") return;
		this.#over("left");
		if (state.t === "builds") state.pod.solved(this);
		wire?.hangUp(error);
	}

	#over(how: "done" | "left" | "lost"): void {
		this.#state = { t: "over", how };
		this.#world.clientOver();
	}
}

function originOf(port: number): Origin {
	return {
		address: "10.1.0.1",
		port,
		listener: ":1234",
		serverName: undefined,
		identity: undefined,
		refusal: undefined,
	};
}
