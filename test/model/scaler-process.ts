import { createLogger } from "../../common/log.ts";
import type { PoolSnapshot } from "../../events/schema.ts";
import type { ScaledObjectRef } from "../../protos/external-scaler.ts";
import { type DemandSource, getMetricSpec, getMetrics, isActive } from "../../scaler/answers.ts";
import { DemandTracker } from "../../scaler/demand-tracker.ts";
import { type DrainAnswer, Drains } from "../../scaler/drain/drains.ts";
import { expectIds } from "../../scaler/expected/expected.ts";
import { metricName } from "../../scaler/metric.ts";
import { Pusher, type PushStream } from "../../scaler/push.ts";
import { activityOf } from "../../scaler/push-schedule.ts";
import { SecondPath } from "../../scaler/second-path/second-path.ts";
import type { DaemonWord } from "../../scaler/verify/daemon-word.ts";
import { VerifiedDemand } from "../../scaler/verify/verified-demand.ts";
import { ZeroVerifier } from "../../scaler/verify/zero-verifier.ts";
import { Heard } from "./heard.ts";
import type { BusEnd } from "./network.ts";
import { ProcessClock } from "./process-clock.ts";
import { ProxyView } from "./proxy-view.ts";
import type { Random } from "./random.ts";
import type { DecisionBasis } from "./workload.ts";
import type { World } from "./world.ts";

const log = createLogger("silent");

const poolKey = "default/default";

/** What KEDA reads in one look. */
export interface Reading {
	readonly active: boolean;
	readonly value: number;
	readonly target: number;
	readonly basis: DecisionBasis;
}

/** A scaler: the real ledger, demand, verification, answers and pushes, between a simulated bus and simulated daemons. */
export class ScalerProcess {
	readonly name: string;
	readonly #world: World;
	readonly #clock: ProcessClock;
	readonly #bus: BusEnd;
	readonly #heard: Heard;
	readonly #tracker: DemandTracker;
	readonly #source: DemandSource;
	readonly #pusher: Pusher;
	readonly #drains: Drains;
	readonly #secondPath: SecondPath;
	readonly #random: Random;
	readonly #ref: ScaledObjectRef;
	readonly #left = new AbortController();
	#alive = true;
	#asksFailUntil = 0;

	constructor(world: World, name: string) {
		this.#world = world;
		this.name = name;
		this.#clock = new ProcessClock(world.time, world.skewOf(name));
		this.#random = world.random.fork(`${name} ${world.time.now}`);
		this.#bus = world.network.join(name);
		const { absentAfterMs, expectedProxies, listLagMs, buildsPerDaemon } = world.config;
		const named = expectedProxies && expectIds(expectedProxies);
		const view = named || listLagMs === undefined ? undefined : new ProxyView(world, this.#clock, listLagMs);
		this.#heard = new Heard(this.#bus, world.time, absentAfterMs);
		const options = {
			bus: world.plant.bus?.(this.#bus) ?? this.#bus,
			clock: this.#clock,
			absentAfterMs,
			expected: () => view?.expected ?? named,
			onRecorded: () => {},
		};
		this.#tracker = world.plant.tracker?.(options) ?? new DemandTracker(options);
		const verifier = new ZeroVerifier({
			clock: this.#clock,
			ask: (address, limitMs) => this.#ask(address, limitMs),
			onAnswer: () => {},
		});
		const verified = new VerifiedDemand(this.#tracker, world.plant.verifies === false ? undefined : verifier);
		this.#source = world.plant.source?.(verified) ?? verified;
		this.#pusher = new Pusher({
			clock: this.#clock,
			activity: (key) => activityOf(this.#tracker.demand(key)),
			onPush: () => {},
		});
		this.#drains = new Drains({
			bus: this.#bus,
			clock: this.#clock,
			log,
			verdict: (key, daemon, askedAt) => this.#tracker.drainVerdict(key, daemon, askedAt),
			ask: (address, limitMs) => this.#ask(address, limitMs),
		});
		this.#tracker.onPoolChanged((key) => {
			this.#pusher.changed(key);
			this.#drains.changed(key);
		});
		this.#tracker.onAllChanged(() => {
			this.#pusher.allChanged();
			this.#drains.allChanged();
		});
		this.#secondPath = new SecondPath({
			tracker: this.#tracker,
			clock: this.#clock,
			log,
			read: (admin, signal) => this.#readProxy(admin, signal),
			onRead: () => {},
			...(view && { lists: new Map([[poolKey, view]]) }),
		});
		this.#ref = {
			name: "daemons",
			namespace: "default",
			scalerMetadata: {
				pool: "default",
				...(buildsPerDaemon && { buildsPerDaemon: String(world.config.capacity) }),
			},
		};
	}

	get isAlive(): boolean {
		return this.#alive;
	}

	/** GetMetricSpec, GetMetrics, IsActive, as KEDA calls them; throws what it would get as an error. */
	async read(): Promise<Reading> {
		const [spec] = getMetricSpec(this.#source, this.#ref).metricSpecs;
		const { metricValues } = await getMetrics(this.#source, { scaledObjectRef: this.#ref, metricName });
		this.#judge(metricValues[0]?.metricValueFloat);
		const { result } = await isActive(this.#source, this.#ref);
		const [value, target] = [metricValues[0]?.metricValueFloat, spec?.targetSizeFloat];
		if (value === undefined || target === undefined) throw new Error("an answer without a value");
		return { active: result, value, target, basis: this.#heard.basis() };
	}

	/** What it would say now, looked at by the laws. */
	inspect(): void {
		const demand = this.#source.demand(poolKey);
		if (demand.t === "known") this.#world.laws.demand(this.name, this.#heard, demand);
	}

	open(stream: PushStream): () => void {
		return this.#pusher.open(poolKey, stream);
	}

	/** POST /drain of a pod. */
	drain(pod: string): Promise<DrainAnswer> {
		return this.#drains.drain(poolKey, pod, this.#left.signal);
	}

	/** SIGKILL, or SIGTERM, at which streams end with OK. */
	end(how: "crash" | "stop"): void {
		if (!this.#alive) return;
		this.#world.trace(() => `${this.name} ends (${how})`);
		if (how === "stop") this.#pusher.stop();
		this.#alive = false;
		this.#tracker.close();
		this.#secondPath.close();
		this.#drains.stop();
		this.#clock.kill();
		this.#bus.kill();
		this.#world.keda.scalerEnded(this);
	}

	/** For a while it cannot reach daemons. */
	failAsks(forMs: number): void {
		this.#asksFailUntil = this.#world.time.now + forMs;
	}

	#reachesDaemons(): boolean {
		return this.#world.time.now >= this.#asksFailUntil && this.#world.network.reaches(this.name, "daemons");
	}

	#judge(value: number | undefined): void {
		const demand = this.#source.demand(poolKey);
		if (demand.t !== "known" || value === undefined) return;
		this.#world.laws.demand(this.name, this.#heard, demand);
		this.#world.laws.answered(this.name, this.#heard, value);
	}

	#readProxy(admin: string, signal: AbortSignal): Promise<readonly PoolSnapshot[]> {
		const { time, network, proxies } = this.#world;
		const read = new Promise<readonly PoolSnapshot[]>((resolve, reject) => {
			signal.addEventListener("abort", () => reject(signal.reason));
			if (!network.reaches(this.name, admin)) return;
			const wayMs = this.#random.magnitude(1, 500);
			time.after(wayMs, () => {
				const proxy = proxies.find(({ name, isGone }) => name === admin && !isGone);
				if (proxy === undefined) return reject(Object.assign(new Error("connect"), { code: "ECONNREFUSED" }));
				const { snapshot, carried } = proxy.read();
				time.after(wayMs, () => {
					if (!this.#alive || signal.aborted || !network.reaches(this.name, admin)) return;
					this.#heard.hear(snapshot.snapshot, carried);
					resolve([snapshot]);
				});
			});
		});
		return this.#world.during(read);
	}

	#ask(address: string, limitMs: number): Promise<DaemonWord> {
		const { time, workload } = this.#world;
		const pod = workload.podAt(address.slice(0, address.lastIndexOf(":")));
		const answered = new Promise<DaemonWord>((resolve) => {
			const unknown: DaemonWord = { t: "unknown", why: "no answer" };
			if (pod === undefined || !this.#reachesDaemons()) {
				time.after(limitMs, () => resolve(unknown));
				return;
			}
			const wayMs = this.#random.magnitude(1, 40);
			time.after(wayMs, () => {
				const word = pod.isGone ? unknown : pod.answer();
				time.after(wayMs, () => resolve(word));
			});
		});
		return this.#world.during(answered);
	}
}
