import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { leaseMs } from "../../events/schema.ts";
import { Cleanup } from "../helpers/cleanup.ts";
import { linkApplets, spawnDrainScript } from "../helpers/drain-script.ts";
import { loopbackHosts } from "../helpers/loopback.ts";
import { type NatsServer, startNatsServer } from "../helpers/nats-server.ts";
import { Random } from "../model/random.ts";
import { findProgram } from "../tools/programs.ts";
import { Build } from "./build.ts";
import { type Casualty, isExcused } from "./casualties.ts";
import { type Answers, watchDemand, type ZeroAnswer } from "./demand-watch.ts";
import { EndpointsApi } from "./endpoints-api.ts";
import { Front } from "./front.ts";
import { Instance } from "./instance.ts";
import { Keda } from "./keda.ts";
import { Link } from "./link.ts";
import type { Pod } from "./pod.ts";
import type { Fault } from "./schedule.ts";
import { Slot } from "./slot.ts";
import { StatefulSet } from "./stateful-set.ts";
import { Timeline } from "./timeline.ts";

const maxDaemons = 4;
/** Builds that a daemon takes at once. */
const capacity = 2;
/** A dead proxy's last word counts so long: one that comes back under another name would else keep the pool up for 10 min. */
export const absentAfterMs = 20_000;
/**
 * A daemon's "nobody builds here" is believed for 1 s and asking takes at most 0.8 s (as in test/model/laws.ts); the rest
 * is for a machine with more to do than it can.
 */
const verifiedMs = 2_900;
/** The hook's times; `quiet` is the chart's. */
const hookSeconds = { timeout: 600, quiet: 10, call: 30 };
/** Where the scalers find a proxy's admin server, behind a link. */
const advertisedPort = 8082;
/** For a daemon that a scaler was not told of: a proxy's word of before is believed for a lease (docs/model.md). */
const believedMs = leaseMs + verifiedMs;
/** A proxy's view of the daemons may stand still for 5 s. */
const seenWithinMs = 6_000;
/** A failed build is judged when the logs that tell where it was have been read. */
const judgedAfterMs = 2_000;

const ref = { name: "buildkitd", namespace: "default", scalerMetadata: { pool: "default" } };

interface NatsLink {
	readonly link: Link;
	readonly port: number;
}

export interface Failure {
	readonly build: Build;
	readonly excused: boolean;
}

/** Everything that runs: NATS, proxies, scalers, daemons, KEDA, and the builds. */
export class World {
	readonly folder: string;
	readonly timeline: Timeline;
	readonly cleanup = new Cleanup();
	readonly proxies: readonly Slot[];
	readonly scalers: readonly Slot[];
	/** To NATS, by slot, proxies first. */
	readonly links: ReadonlyMap<string, NatsLink>;
	/** To each proxy's admin server, for the scalers. */
	readonly adminLinks = new Map<Instance, Link>();
	readonly api: EndpointsApi;
	readonly set: StatefulSet;
	readonly keda: Keda;
	nats: NatsServer;
	readonly casualties: Casualty[] = [];
	readonly building = new Set<Build>();
	readonly failures: Failure[] = [];
	readonly violations: string[] = [];
	readonly answers: Answers = { known: 0, zero: 0, unknown: 0 };
	/** That struck, by kind. */
	readonly faults = new Map<Fault["t"], number>();
	/** Faults that met nobody. */
	missed = 0;
	builds = 0;
	wakes = 0;
	/** Builds on daemons that were told to go. */
	spared = 0;
	longestWaitMs = 0;
	#closed = false;
	readonly #judging = new Set<Promise<void>>();
	readonly #context: string;

	static async start(folder: string, seed: number): Promise<World> {
		const nats = await startNatsServer();
		const names = ["proxy-0", "proxy-1", "scaler-0", "scaler-1"];
		const links = new Map<string, NatsLink>();
		for (const name of names) {
			const link = new Link({ host: "127.0.0.1", port: nats.port });
			links.set(name, { link, port: await link.listen({ host: "127.0.0.1", port: 0 }) });
		}
		const api = await EndpointsApi.open();
		// The scalers come later than the front that leads to them.
		const scalers: Slot[] = [];
		const ready = () => scalers.flatMap(({ instances }) => instances);
		const grpc = await Front.open({ instances: ready, port: 6000, whenNone: "refuse" });
		const drain = await Front.open({ instances: ready, port: 8081, whenNone: "refuse" });
		return new World(folder, seed, { nats, links, api, scalers, grpc, drain });
	}

	private constructor(
		folder: string,
		seed: number,
		parts: {
			readonly nats: NatsServer;
			readonly links: ReadonlyMap<string, NatsLink>;
			readonly api: EndpointsApi;
			readonly scalers: Slot[];
			readonly grpc: Front;
			readonly drain: Front;
		},
	) {
		const { nats, links, api, scalers, grpc, drain } = parts;
		this.folder = folder;
		this.nats = nats;
		this.links = links;
		this.api = api;
		this.timeline = new Timeline(join(folder, "timeline.log"));
		this.#context = join(folder, "context");
		mkdirSync(this.#context);
		copyFileSync(findProgram("busybox"), join(this.#context, "busybox"));
		const bin = join(folder, "bin");
		mkdirSync(bin);
		linkApplets(bin);

		this.cleanup.add(() => this.timeline.close());
		this.cleanup.add(() => this.nats.kill());
		this.cleanup.add(() => {
			for (const { link } of links.values()) link.close();
			for (const part of [api, grpc, drain]) part.close();
		});
		const nextHost = loopbackHosts();
		const told = (what: string) => this.timeline.mark(what);
		const failed = (what: string) => this.violate(what);
		const url = `http://127.0.0.1:${drain.port}/drain/default/default`;
		this.set = new StatefulSet(maxDaemons, {
			folder,
			api,
			random: new Random(seed).fork("pods"),
			nextHost,
			told,
			preStop: ({ name, place }: Pod) => {
				this.spared += this.#on(name).length;
				return spawnDrainScript(bin, { url, pod: name, port: place.port, ...hookSeconds });
			},
			scaled: (from) => {
				if (from === 0) this.wakes++;
			},
		});
		this.cleanup.add(() => this.set.close());
		const slot = (name: string, start: (id: string, host: string) => Instance) =>
			new Slot({ name, start, nextHost, failed });
		this.proxies = ["proxy-0", "proxy-1"].map((name) =>
			slot(name, (id, host) => this.#proxy(name, id, host)),
		);
		scalers.push(
			...["scaler-0", "scaler-1"].map((name) => slot(name, (id, host) => this.#scaler(name, id, host))),
		);
		this.scalers = scalers;
		this.cleanup.add(async () => {
			await Promise.all([...this.proxies, ...this.scalers].map((replica) => replica.close()));
		});
		const address = `127.0.0.1:${grpc.port}`;
		this.keda = new Keda({ ref, address, maxReplicas: maxDaemons, target: this.set, told });
		this.cleanup.add(() => this.keda.stop());
		this.cleanup.add(() => {
			this.#closed = true;
			for (const build of this.building) build.kill();
		});
	}

	/** Nothing may be started any more. */
	get isClosed(): boolean {
		return this.#closed;
	}

	violate(what: string): void {
		this.violations.push(`${this.timeline.seconds(performance.now())} s: ${what}`);
		this.timeline.mark(`VIOLATION: ${what}`);
	}

	/** Begins a build; resolves when it is over and judged. */
	async build(seconds: number): Promise<boolean> {
		if (this.#closed) return false;
		const number = ++this.builds;
		const instances = () => this.proxies.flatMap((slot) => slot.instances);
		const front = await Front.open({ instances, port: 1234, whenNone: "wait" });
		const build = new Build(number, seconds, front, this.#context, this.folder);
		this.building.add(build);
		this.timeline.mark(`build ${number}: begins (${seconds} s)`);
		const succeeded = await build.ended;
		this.building.delete(build);
		const end = build.endedAt ?? performance.now();
		const waitMs = (build.servedAt ?? end) - build.startedAt;
		this.timeline.mark(
			`build ${number}: ${succeeded ? "done" : "FAILED"}, waited ${(waitMs / 1_000).toFixed(1)} s`,
		);
		if (succeeded) this.longestWaitMs = Math.max(this.longestWaitMs, waitMs);
		else this.#judgeLater(build);
		return succeeded;
	}

	/** Resolves when every failed build has been judged. */
	async judged(): Promise<void> {
		await Promise.all(this.#judging);
	}

	/** The builds on a daemon. */
	#on(daemon: string): Build[] {
		return [...this.building].filter((build) => build.servedBy().some((served) => served.daemon === daemon));
	}

	#judgeLater(build: Build): void {
		const judging = (async () => {
			await new Promise((resolve) => setTimeout(resolve, judgedAfterMs));
			// A frozen proxy tells only later where the build was.
			while (build.passings.some(({ instance }) => instance.isAlive && instance.isFrozen)) {
				await new Promise((resolve) => setTimeout(resolve, judgedAfterMs));
			}
			const excused = isExcused(build, this.casualties);
			this.failures.push({ build, excused });
			if (excused) return this.timeline.mark(`build ${build.number}: excused`);
			const where = build
				.servedBy()
				.map(
					({ passing, daemon, atMs }) =>
						`${passing.instance.id} ${daemon} at ${this.timeline.seconds(atMs)} s`,
				)
				.join(", ");
			const words = build.output.split("\n").slice(-6).join("\n    ");
			this.violate(
				`build ${build.number} failed at ${this.timeline.seconds(build.endedAt ?? 0)} s (on ${where || "no daemon"}):\n    ${words}`,
			);
		})();
		this.#judging.add(judging);
		void judging.then(() => this.#judging.delete(judging));
	}

	#zero({ scaler, askedAt, answeredAt, heardAt }: ZeroAnswer): void {
		for (const build of this.building) {
			const { runs } = build;
			if (runs === undefined || runs.from + verifiedMs > askedAt || runs.until < answeredAt) continue;
			// Its client may not know yet that its daemon is dead.
			if (isExcused(build, this.casualties)) continue;
			if (runs.from + believedMs > askedAt && !wasTold(build, askedAt, heardAt)) continue;
			const where = build.servedBy().map(({ passing, daemon }) => `${passing.instance.id}, ${daemon}`);
			this.violate(
				`${scaler} answers 0 while build ${build.number} runs since ${this.timeline.seconds(runs.from)} s (${where})`,
			);
		}
	}

	#proxy(slot: string, id: string, host: string): Instance {
		const kubeconfig = join(this.folder, `${id}.kubeconfig`);
		writeFileSync(kubeconfig, this.api.kubeconfig(slot));
		const args = [
			...["proxy", "--id", id, "--listen", `${host}:1234`, "--admin", `${host}:8081`],
			...["--daemons-service", "buildkitd", "--capacity", `${capacity}`, "--drain-grace", "2s"],
			...["--nats", this.#natsUrl(slot), "--admin-advertise", `${host}:${advertisedPort}`],
		];
		const instance = this.#instance(id, host, args, { KUBECONFIG: kubeconfig });
		const link = new Link({ host, port: 8081 });
		this.adminLinks.set(instance, link);
		link.listen({ host, port: advertisedPort }).catch((error) => this.violate(`${id}: ${error}`));
		void instance.exited.then(() => {
			link.close();
			this.adminLinks.delete(instance);
		});
		return instance;
	}

	#scaler(slot: string, id: string, host: string): Instance {
		const args = [
			...["scaler", "--listen", `${host}:6000`, "--admin", `${host}:8081`, "--nats", this.#natsUrl(slot)],
			...["--absent-after", `${absentAfterMs / 1_000}s`],
		];
		const instance = this.#instance(id, host, args, {});
		void watchDemand(instance, ref, this.answers, (answer) => this.#zero(answer));
		return instance;
	}

	#instance(id: string, host: string, args: readonly string[], env: NodeJS.ProcessEnv): Instance {
		this.timeline.mark(`${id}: begins on ${host}`);
		const instance = new Instance({ id, host, args, env, logFile: join(this.folder, `${id}.log`) });
		void instance.exited.then(() => this.timeline.mark(`${id}: ended`));
		return instance;
	}

	#natsUrl(slot: string): string {
		return `nats://127.0.0.1:${this.links.get(slot)?.port}`;
	}
}

/**
 * Whether a scaler had been told of the build's daemon before it was asked: by the build's own proxy since it was served, or
 * by another one when that had surely seen the daemon.
 */
function wasTold(build: Build, askedAt: number, heardAt: ReadonlyMap<string, number>): boolean {
	return build.servedBy().some(({ passing, atMs }) =>
		[...heardAt].some(([proxy, at]) => {
			const seenAt = proxy === passing.instance.id ? atMs : atMs + seenWithinMs;
			return at > seenAt && at < askedAt;
		}),
	);
}
