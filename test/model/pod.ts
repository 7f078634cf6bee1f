import type { DaemonAddress } from "../../proxy/daemon.ts";
import type { DaemonWord } from "../../scaler/verify/daemon-word.ts";
import type { Client } from "./client.ts";
import { buildOf, daemonHello } from "./hello.ts";
import { PreStop } from "./pre-stop.ts";
import type { Random } from "./random.ts";
import { SimWire } from "./sim-wire.ts";
import type { World } from "./world.ts";

/** The chart's terminationGracePeriodSeconds. */
const graceMs = 10_800_000;

export interface PodOptions {
	readonly number: number;
	readonly name: string;
	readonly ordinal: number | null;
	readonly startMs: number;
}

/**
 * One buildkitd in its pod. At SIGTERM it closes its listener, sends GOAWAY and lets the running Solves end (0.14 and
 * later); a connection without a Solve is closed. At the end of the grace period comes SIGKILL.
 */
export class Pod {
	readonly number: number;
	readonly name: string;
	readonly ordinal: number | null;
	readonly host: string;
	/** Running Solves, also of those who came around the proxies. */
	readonly builds = new Set<Client>();
	readonly #world: World;
	readonly #random: Random;
	readonly #wires = new Map<SimWire, Client | undefined>();
	/** `hook`: it is to go, and takes connections while its preStop hook runs. */
	#state: "starting" | "up" | "hook" | "draining" | "gone" = "starting";

	constructor(world: World, options: PodOptions) {
		this.#world = world;
		this.number = options.number;
		this.name = options.name;
		this.ordinal = options.ordinal;
		this.host = `10.0.${options.number >> 8}.${options.number & 255}`;
		this.#random = world.random.fork(`pod ${options.name} ${options.number}`);
		world.time.after(options.startMs, () => this.#started());
	}

	get isUp(): boolean {
		return this.#state === "up";
	}

	get isGone(): boolean {
		return this.#state === "gone";
	}

	/** Whether it was told to go. */
	get isTerminating(): boolean {
		return this.#state === "hook" || this.#state === "draining" || this.#state === "gone";
	}

	get hasConnections(): boolean {
		return this.#wires.size > 0 || this.builds.size > 0;
	}

	get #takes(): boolean {
		return this.#state === "up" || this.#state === "hook";
	}

	/** Whether a connection of this client leads here. */
	carries(client: Client): boolean {
		for (const owner of this.#wires.values()) if (owner === client) return true;
		return false;
	}

	/** A proxy connects. */
	accept(wire: SimWire, onConnect: () => void): void {
		const { time } = this.#world;
		time.after(this.#random.magnitude(1, 20), () => {
			if (!this.#takes) return wire.hangUp(new Error("connect ECONNREFUSED"));
			if (!wire.isOpen) return;
			this.#wires.set(wire, undefined);
			wire.far = {
				written: (bytes) => this.#greeted(wire, bytes),
				closed: () => this.#left(wire),
			};
			onConnect();
		});
	}

	/** A Solve begins; false when the daemon takes none any more. */
	solve(client: Client): boolean {
		if (!this.#takes) return false;
		this.builds.add(client);
		for (const [wire, owner] of this.#wires) if (owner === client) wire.talk(true);
		return true;
	}

	/** A Solve ended, or its client is gone. */
	solved(client: Client): void {
		if (!this.builds.delete(client) || this.#state !== "draining") return;
		this.#exitWhenIdle();
	}

	/** Answers ListenBuildHistory (ActiveOnly). */
	answer(): DaemonWord {
		if (!this.#takes) return { t: "down" };
		return { t: "builds", count: this.builds.size };
	}

	/** Its deletion has reached the kubelet: the hook, then SIGTERM, then SIGKILL. */
	delete(): void {
		const { time, config } = this.#world;
		if (this.#state === "starting") return this.#exit("it never ran");
		if (this.#state !== "up") return;
		time.after(graceMs, () => this.#exit("the grace period is over"));
		if (!config.workload.preStop) return this.#terminate();
		this.#state = "hook";
		new PreStop(this.#world, this, () => {
			if (this.#state !== "hook") return;
			this.#world.laws.terminated(this);
			this.#terminate();
		});
	}

	#terminate(): void {
		this.#state = "draining";
		for (const [wire, client] of [...this.#wires]) {
			if (client === undefined || !this.builds.has(client)) this.#hangUp(wire);
		}
		this.#exitWhenIdle();
	}

	/** The container dies with its builds and is started again. */
	crash(downMs: number): void {
		if (this.#state !== "up" && this.#state !== "hook") return;
		const comesBack = this.#state === "up";
		this.#state = "starting";
		this.#lose("its daemon crashed", true);
		if (!comesBack) return this.#exit("it is to go anyway");
		this.#world.time.after(downMs, () => this.#started());
	}

	#started(): void {
		if (this.#state === "starting") this.#state = "up";
	}

	#greeted(wire: SimWire, bytes: Uint8Array): void {
		if (this.#wires.get(wire) !== undefined) return;
		const client = this.#world.client(buildOf(bytes));
		if (client === undefined) return this.#world.fail("I4", "a daemon was sent the bytes of no client");
		this.#wires.set(wire, client);
		client.assigned(this);
		this.#world.time.after(this.#random.magnitude(1, 100), () => {
			if (this.#wires.has(wire)) wire.say(daemonHello(this.number));
		});
	}

	/** The proxy closed the connection: its Solve is cancelled. */
	#left(wire: SimWire): void {
		const client = this.#wires.get(wire);
		this.#wires.delete(wire);
		if (client !== undefined) this.solved(client);
	}

	#hangUp(wire: SimWire, error?: Error): void {
		this.#wires.delete(wire);
		wire.hangUp(error);
	}

	#exitWhenIdle(): void {
		if (this.builds.size > 0) return;
		this.#world.time.after(12, () => this.#exit("it was idle"));
	}

	#exit(why: string): void {
		if (this.#state === "gone" || (why === "it was idle" && this.builds.size > 0)) return;
		this.#state = "gone";
		this.#lose(`its daemon was killed: ${why}`, false);
		this.#world.workload.podGone(this);
	}

	#lose(why: string, allowed: boolean): void {
		const builds = [...this.builds];
		this.builds.clear();
		for (const client of builds) client.lose(why, allowed);
		for (const wire of [...this.#wires.keys()]) this.#hangUp(wire, new Error("read ECONNRESET"));
	}
}

/** How a proxy connects to pods. `opened` is told of each wire. */
export function connectTo(world: World, opened: (wire: SimWire) => void) {
	return (address: DaemonAddress, onConnect: () => void): SimWire => {
		const wire = new SimWire(world.time);
		opened(wire);
		const pod = address.t === "tcp" ? world.workload.podAt(address.host) : undefined;
		// Nobody has this address any more: packets get no answer.
		if (pod !== undefined && !pod.isGone) pod.accept(wire, onConnect);
		return wire;
	};
}
