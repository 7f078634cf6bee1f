import { Client, type ClientPlan } from "./client.ts";
import { Hpa } from "./hpa.ts";
import { Keda } from "./keda.ts";
import { Laws } from "./laws.ts";
import { Network } from "./network.ts";
import type { Plant } from "./planted.ts";
import { ProxyProcess } from "./proxy-process.ts";
import { Random } from "./random.ts";
import { ScalerProcess } from "./scaler-process.ts";
import { type Config, type Deed, longestBuildMs, proxyName, type Schedule } from "./schedule.ts";
import { SimTime } from "./sim-time.ts";
import { Workload } from "./workload.ts";

/**
 * L1: scaling ends no build. L2: demand is never below what is known, and never zero while somebody builds. L3: who waits
 * is served. L4: an idle pool goes to zero. L5: the metric reaches the highest busy ordinal. I4: nobody is closed without
 * a word. I6: nothing throws.
 */
export type Law = "L1" | "L2" | "L3" | "L4" | "L5" | "I4" | "I6";

/** A law that did not hold. */
export interface Violation {
	readonly law: Law;
	readonly text: string;
	readonly atMs: number;
}

export interface Outcome {
	readonly violation: Violation | undefined;
	readonly simulatedMs: number;
	readonly counts: Readonly<Record<string, number>>;
	readonly longestWaitMs: number;
	/** What happened, line by line; empty unless it was asked for. */
	readonly story: readonly string[];
}

export interface RunOptions {
	readonly plant?: Plant;
	/** Only this law counts; undefined: all of them. */
	readonly law?: Law | undefined;
	readonly tellsStory?: boolean;
}

/** Everything of one schedule. */
export class World {
	readonly config: Config;
	readonly plant: Plant;
	readonly random: Random;
	readonly time = new SimTime();
	readonly network: Network;
	readonly workload: Workload;
	readonly laws = new Laws(this);
	readonly keda: Keda;
	readonly #schedule: Schedule;
	readonly #clients: Client[] = [];
	readonly #proxies: ProxyProcess[] = [];
	#replaced: readonly ProxyProcess[] = [];
	readonly #scalers: ScalerProcess[] = [];
	readonly #counts: Record<string, number> = {};
	readonly #story: string[] | undefined;
	readonly #law: Law | undefined;
	#violation: Violation | undefined;
	/** Promises that may be settled by what happens next. */
	#awaited = 0;
	#renames = 0;
	#longestWaitMs = 0;
	#lastOverAt = 0;
	#roomSince = 0;
	#finished = false;

	constructor(schedule: Schedule, { plant = {}, law, tellsStory = false }: RunOptions = {}) {
		const { config, seed } = schedule;
		this.#schedule = schedule;
		this.config = config;
		this.plant = plant;
		this.#law = law;
		this.#story = tellsStory ? [] : undefined;
		this.random = new Random(seed).fork("world");
		this.network = new Network(this.time, this.random.fork("network"), config.messages);
		this.workload = new Workload(this, config.workload);
		this.keda = new Keda(this);
	}

	/** Also those that are being replaced, until their last build is over. */
	get proxies(): readonly ProxyProcess[] {
		return [...this.#proxies, ...this.#replaced];
	}

	get scalers(): readonly ScalerProcess[] {
		return this.#scalers;
	}

	client(number: number): Client | undefined {
		return this.#clients[number];
	}

	skewOf(node: string): number {
		return (this.random.fork(`skew ${node}`).next() * 2 - 1) * this.config.skewMs;
	}

	trace(line: () => string): void {
		this.#story?.push(`${(this.time.now / 1_000).toFixed(3).padStart(9)}  ${line()}`);
	}

	count(what: string): void {
		this.#counts[what] = (this.#counts[what] ?? 0) + 1;
	}

	fail(law: Law, text: string): void {
		if (this.#law !== undefined && law !== this.#law) {
			// These are the bounds of every schedule.
			if (law === "L3" || law === "L4") this.#finished = true;
			return;
		}
		this.trace(() => `VIOLATION of ${law}: ${text}`);
		this.#violation ??= { law, text, atMs: this.time.now };
	}

	served(waitMs: number): void {
		this.count("served");
		this.#longestWaitMs = Math.max(this.#longestWaitMs, waitMs);
	}

	clientOver(): void {
		this.#lastOverAt = this.time.now;
	}

	/** Until `promise` is settled each event is followed by those that wait for promises. */
	async during<T>(promise: Promise<T>): Promise<T> {
		this.#awaited++;
		try {
			return await promise;
		} finally {
			this.#awaited--;
		}
	}

	async run(): Promise<Outcome> {
		try {
			this.#begin();
			while (this.#violation === undefined && !this.#finished && this.time.step()) {
				if (this.#awaited > 0) await new Promise((resolve) => setImmediate(resolve));
			}
		} catch (error) {
			this.fail("I6", error instanceof Error ? (error.stack ?? error.message) : String(error));
		}
		// What waits for an answer waits no longer.
		this.keda.crash();
		for (const scaler of this.#scalers) scaler.end("crash");
		return {
			violation: this.#violation,
			simulatedMs: this.time.now,
			counts: this.#counts,
			longestWaitMs: this.#longestWaitMs,
			story: this.#story ?? [],
		};
	}

	#begin(): void {
		const { config, time } = this;
		for (let index = 0; index < config.proxies; index++) this.#startProxy(proxyName(index), index);
		for (let index = 0; index < config.scalers; index++) this.#startScaler(index);
		this.keda.start();
		new Hpa(this, config.hpa).start();
		for (const { atMs, deed } of this.#schedule.steps) {
			time.after(atMs, () => {
				this.trace(() => `- ${JSON.stringify(deed)}`);
				this.count(deed.t);
				this.#do(deed);
			});
		}
		time.after(this.#schedule.healMs, () => {
			this.trace(() => "- all faults are over");
			this.network.healAll();
		});
		this.#watch();
	}

	#startProxy(name: string, index: number): void {
		this.trace(() => `${name} starts`);
		const before = this.#proxies[index];
		if (before !== undefined) this.#replaced = [...this.#replaced, before].filter(({ isGone }) => !isGone);
		this.#proxies[index] = new ProxyProcess(this, name);
	}

	#startScaler(index: number): void {
		this.trace(() => `scaler-${index} starts`);
		this.#scalers[index] = new ScalerProcess(this, `scaler-${index}`);
	}

	#do(deed: Deed): void {
		switch (deed.t) {
			case "build":
				return this.#join(deed.plan).connect();
			case "burst":
				for (const plan of deed.plans) this.#join(plan).connect();
				return;
			case "buildAround": {
				const pod = this.#choose(
					this.workload.pods.filter(({ isUp }) => isUp),
					deed.pod,
				);
				if (pod !== undefined) this.#join(deed.plan).connectAround(pod);
				return;
			}
			case "crashProxy":
				return this.#replaceProxy(deed.proxy, deed, (proxy) => proxy.crash());
			case "stopProxy":
				return this.#replaceProxy(deed.proxy, deed, (proxy) => proxy.stop());
			case "endScaler": {
				const index = deed.scaler % this.config.scalers;
				const scaler = this.#scalers[index];
				if (scaler?.isAlive !== true) return;
				scaler.end(deed.how);
				this.time.after(deed.downMs, () => this.#startScaler(index));
				return;
			}
			case "crashKeda":
				this.keda.crash();
				this.time.after(deed.downMs, () => this.keda.start());
				return;
			case "crashDaemon":
				this.#choose(this.workload.pods, deed.pod)?.crash(deed.downMs);
				return;
			case "evict": {
				const pod = this.#choose(this.workload.pods, deed.pod);
				if (pod !== undefined) this.workload.evict(pod);
				return;
			}
			case "cutProxy":
				return this.#cut(this.#choose(this.#proxies, deed.proxy)?.name ?? "", deed);
			case "cutScaler":
				return this.#cut(`scaler-${deed.scaler % this.config.scalers}`, deed);
			case "storm":
				this.network.storm = deed.loss;
				this.time.after(deed.forMs, () => {
					this.network.storm = 0;
				});
				return;
			case "stallEndpoints":
				this.#choose(this.#proxies, deed.proxy)?.stallEndpoints(deed.forMs);
				return;
			case "failAsks":
				this.#choose(this.#scalers, deed.scaler)?.failAsks(deed.forMs);
				return;
			case "scaleUp": {
				const { replicas, version } = this.workload.read();
				if (deed.replicas > replicas) {
					this.workload.write(deed.replicas, version, { by: "somebody", basis: undefined });
				}
				return;
			}
		}
	}

	#join(plan: ClientPlan): Client {
		const client = new Client(this, this.#clients.length, plan);
		this.#clients.push(client);
		return client;
	}

	#choose<T>(items: readonly T[], number: number): T | undefined {
		return items[number % items.length];
	}

	/** Ends a proxy, and starts another in its place. */
	#replaceProxy(
		number: number,
		{ downMs, renamed }: { readonly downMs: number; readonly renamed: boolean },
		end: (proxy: ProxyProcess) => void,
	): void {
		const index = number % this.config.proxies;
		const proxy = this.#proxies[index];
		if (proxy?.isRunning !== true) return;
		end(proxy);
		const name = renamed ? `${proxyName(index)}-${++this.#renames}` : proxy.name;
		const start = () => {
			// One that has its name must be gone; another may still be draining.
			if (!renamed && !proxy.isGone) return void this.time.after(500, start);
			this.#startProxy(name, index);
		};
		this.time.after(downMs, start);
	}

	#cut(
		name: string,
		cut: { readonly forMs: number; readonly noticedMs: number; readonly whole: boolean },
	): void {
		const { forMs, noticedMs, whole } = cut;
		this.network.cut(name, noticedMs, whole);
		this.time.after(forMs, () => this.network.heal(name));
	}

	/** Looks once a second at what must be so in the end. */
	#watch(): void {
		const { config, workload, time } = this;
		const { healMs } = this.#schedule;
		time.after(1_000, () => {
			for (const scaler of this.#scalers) if (scaler.isAlive) scaler.inspect();
			this.#judgeWaits();
			const isIdle = time.now > healMs && this.#clients.every(({ isOver }) => isOver);
			if (isIdle && workload.replicas === 0 && workload.pods.length === 0) this.#finished = true;
			const { cooldownMs, pollMs, absentAfterMs } = config;
			const idleSince = Math.max(healMs, this.#lastOverAt);
			if (isIdle && time.now > idleSince + cooldownMs + 2 * pollMs + absentAfterMs + 120_000) {
				this.fail("L4", `nobody builds, and there are ${workload.replicas} replicas`);
			}
			this.#watch();
		});
	}

	/** Once faults are over nobody waits for long; and not at all for another's end where all builds have room at once. */
	#judgeWaits(): void {
		const { config, workload, time } = this;
		const { capacity, hpa, pollMs } = config;
		const { healMs } = this.#schedule;
		const builds = this.#clients.filter(({ isOver }) => !isOver).length;
		const leaving = workload.pods.filter((pod) => workload.isDeleted(pod)).length;
		const hasRoom = builds + leaving * capacity <= capacity * hpa.maxReplicas;
		if (!hasRoom || time.now < healMs) this.#roomSince = time.now;
		for (const client of this.#clients) {
			const { waitsSince } = client;
			if (waitsSince === undefined) continue;
			if (time.now > Math.max(healMs, waitsSince) + this.#servedWithinMs()) {
				this.fail("L3", `${client.describe()} still waits, ${workload.pods.length} pods`);
			}
			if (time.now > Math.max(this.#roomSince, waitsSince) + 180_000 + 2 * pollMs) {
				this.fail("L3", `${client.describe()} waits although there could be daemons enough`);
			}
		}
	}

	/** Every build that is left, in as many rounds as it takes. */
	#servedWithinMs(): number {
		const { pollMs, capacity, hpa } = this.config;
		const rounds = Math.ceil(this.#clients.length / (capacity * hpa.maxReplicas));
		return 120_000 + 2 * pollMs + rounds * (longestBuildMs + 15_000);
	}
}

/** Runs a schedule to its end, or to the first violation. */
export function simulate(schedule: Schedule, options?: RunOptions): Promise<Outcome> {
	return new World(schedule, options).run();
}
