import type { PolicyName } from "../../proxy/daemons/balance.ts";
import type { ClientPlan } from "./client.ts";
import type { HpaOptions } from "./hpa.ts";
import type { MessageFaults } from "./network.ts";
import { Random } from "./random.ts";
import type { WorkloadOptions } from "./workload.ts";

/** How one world is made. */
export interface Config {
	readonly proxies: number;
	readonly scalers: number;
	readonly capacity: number;
	readonly balance: PolicyName;
	readonly workload: WorkloadOptions;
	readonly hpa: HpaOptions;
	readonly pollMs: number;
	readonly cooldownMs: number;
	readonly absentAfterMs: number;
	/** Proxy ids, where they are always the same. */
	readonly expectedProxies: readonly string[] | undefined;
	/** Whether scalers see the EndpointSlices of the proxies' Service, a while later. */
	readonly listLagMs: number | undefined;
	/** Whether the ScaledObject says `buildsPerDaemon`, as the chart's does. */
	readonly buildsPerDaemon: boolean;
	readonly messages: MessageFaults;
	/** Clocks of nodes are off by up to this. */
	readonly skewMs: number;
}

/** From the bus, or from everything but clients and daemons; the process notices after a while. */
interface Cut {
	readonly forMs: number;
	readonly noticedMs: number;
	readonly whole: boolean;
}

/** Something that happens. Who it happens to is a number, taken modulo how many there are. */
export type Deed =
	| { readonly t: "build"; readonly plan: ClientPlan }
	| { readonly t: "burst"; readonly plans: readonly ClientPlan[] }
	| { readonly t: "buildAround"; readonly pod: number; readonly plan: ClientPlan }
	| { readonly t: "crashProxy"; readonly proxy: number; readonly downMs: number; readonly renamed: boolean }
	| { readonly t: "stopProxy"; readonly proxy: number; readonly downMs: number; readonly renamed: boolean }
	| {
			readonly t: "endScaler";
			readonly scaler: number;
			readonly how: "crash" | "stop";
			readonly downMs: number;
	  }
	| { readonly t: "crashKeda"; readonly downMs: number }
	| { readonly t: "crashDaemon"; readonly pod: number; readonly downMs: number }
	| ({ readonly t: "cutProxy"; readonly proxy: number } & Cut)
	| ({ readonly t: "cutScaler"; readonly scaler: number } & Cut)
	| { readonly t: "storm"; readonly forMs: number; readonly loss: number }
	| { readonly t: "stallEndpoints"; readonly proxy: number; readonly forMs: number }
	| { readonly t: "failAsks"; readonly scaler: number; readonly forMs: number }
	| { readonly t: "evict"; readonly pod: number }
	| { readonly t: "scaleUp"; readonly replicas: number };

export interface Step {
	readonly atMs: number;
	readonly deed: Deed;
}

export interface Schedule {
	readonly seed: number;
	readonly config: Config;
	/** By time. */
	readonly steps: readonly Step[];
	/** When all faults are over. */
	readonly healMs: number;
}

/** The schedule of a seed. */
export function scheduleOf(seed: number): Schedule {
	const random = new Random(seed).fork("schedule");
	const config = configOf(random.fork("config"));
	const chaosMs = random.magnitude(20_000, 150_000);
	const steps = Array.from({ length: random.int(4, 26) }, () => ({
		atMs: random.int(0, chaosMs),
		deed: deedOf(random, config),
	}));
	return { seed, config, steps: steps.sort((a, b) => a.atMs - b.atMs), healMs: chaosMs + 5_000 };
}

function configOf(random: Random): Config {
	const proxies = random.int(1, 3);
	const kind = random.chance(0.75) ? "StatefulSet" : "Deployment";
	const isQuiet = random.chance(0.3);
	return {
		proxies,
		scalers: random.int(1, 2),
		capacity: random.int(1, 4),
		balance: random.chance(0.7) ? "pack" : "leastBuilds",
		workload: {
			kind,
			startMs: random.magnitude(300, 10_000),
			preStop: random.chance(0.7),
			informerMs: random.magnitude(5, 1_500),
		},
		hpa: {
			maxReplicas: random.chance(0.9) ? random.int(1, 5) : random.int(10, 14),
			syncMs: random.pick([5_000, 15_000]),
			scaleDown:
				kind === "Deployment"
					? { t: "disabled" }
					: {
							t: "pods",
							windowMs: random.pick([0, 20_000, 60_000]),
							pods: random.int(1, 4),
							periodMs: random.pick([5_000, 60_000]),
						},
		},
		pollMs: random.pick([1_000, 5_000, 30_000]),
		cooldownMs: random.pick([5_000, 20_000, 60_000]),
		absentAfterMs: random.pick([40_000, 90_000]),
		expectedProxies: random.chance(0.2)
			? Array.from({ length: proxies }, (_, index) => proxyName(index))
			: undefined,
		buildsPerDaemon: random.chance(0.8),
		messages: {
			loss: isQuiet ? 0 : random.pick([0, 0.02, 0.1]),
			duplicate: isQuiet ? 0 : random.pick([0, 0.05, 0.2]),
			slow: isQuiet ? 0 : random.pick([0, 0.05, 0.3]),
			slowMs: random.magnitude(50, 3_000),
		},
		skewMs: random.pick([0, 1_000, 60_000]),
		listLagMs: random.chance(0.4) ? random.magnitude(5, 2_000) : undefined,
	};
}

export function proxyName(index: number): string {
	return `proxy-${index}`;
}

function deedOf(random: Random, { expectedProxies, hpa }: Config): Deed {
	const who = random.int(0, 9);
	const forMs = random.magnitude(500, 40_000);
	const cut = {
		forMs: random.magnitude(1_000, 60_000),
		noticedMs: random.magnitude(10, 15_000),
		whole: random.chance(0.6),
	};
	const downMs = random.magnitude(300, 20_000);
	// Some proxies are pods of a Deployment, others come back under their old names.
	const renamed = expectedProxies === undefined && random.chance(0.5);
	const chance = random.int(0, 99);
	if (chance < 34) return { t: "build", plan: planOf(random) };
	if (chance < 44) {
		return { t: "burst", plans: Array.from({ length: random.int(2, 8) }, () => planOf(random)) };
	}
	if (chance < 50) return { t: "buildAround", pod: who, plan: planOf(random) };
	if (chance < 56) return { t: "crashProxy", proxy: who, downMs, renamed };
	if (chance < 61) return { t: "stopProxy", proxy: who, downMs, renamed };
	if (chance < 67) {
		return { t: "endScaler", scaler: who, how: random.pick(["crash", "stop"]), downMs };
	}
	if (chance < 71) return { t: "crashKeda", downMs };
	if (chance < 75) return { t: "crashDaemon", pod: who, downMs };
	if (chance < 81) return { t: "cutProxy", proxy: who, ...cut };
	if (chance < 87) return { t: "cutScaler", scaler: who, ...cut };
	if (chance < 90) return { t: "storm", forMs, loss: random.pick([0.3, 0.7, 1]) };
	if (chance < 93) return { t: "stallEndpoints", proxy: who, forMs };
	if (chance < 95) return { t: "evict", pod: who };
	if (chance < 97) return { t: "failAsks", scaler: who, forMs };
	return { t: "scaleUp", replicas: random.int(1, hpa.maxReplicas) };
}

/** Some builds last long enough that nobody should wait for their end. */
export const longestBuildMs = 1_200_000;

function planOf(random: Random): ClientPlan {
	const buildMs = random.magnitude(200, random.chance(0.03) ? longestBuildMs : 60_000);
	if (random.chance(0.8)) return { buildMs };
	const how = random.pick<"close" | "reset" | "vanish">(["close", "reset", "vanish"]);
	return { buildMs, leaving: { afterMs: random.magnitude(10, 60_000), how } };
}
