import { Random } from "../model/random.ts";

/** Who a fault happens to is a number, taken modulo how many there are at that moment. Times in ms. */
export type Fault =
	/** kill -9; comes back under the same id, or under another as a Deployment's pod does. */
	| { readonly t: "killProxy"; readonly who: number; readonly downMs: number; readonly renamed: boolean }
	/** SIGTERM; the next one starts when it has ended, or at once beside it. */
	| { readonly t: "stopProxy"; readonly who: number; readonly how: "restart" | "rollout" }
	| { readonly t: "freezeProxy"; readonly who: number; readonly forMs: number }
	| { readonly t: "killScaler"; readonly who: number; readonly downMs: number }
	| { readonly t: "stopScaler"; readonly who: number }
	| { readonly t: "freezeScaler"; readonly who: number; readonly forMs: number }
	| { readonly t: "killBothScalers"; readonly downMs: number }
	/** kill -9 of a buildkitd, whose container then starts again. */
	| { readonly t: "killDaemon"; readonly who: number; readonly downMs: number }
	| { readonly t: "freezeDaemon"; readonly who: number; readonly forMs: number }
	/** Its pod is deleted, as by a node that is drained. */
	| { readonly t: "evictDaemon"; readonly who: number }
	/** Somebody writes fewer replicas, or more. */
	| { readonly t: "scaleDown"; readonly share: number }
	| { readonly t: "scaleUp"; readonly more: number }
	/** Between NATS and one process: nothing passes and nobody is told, or connections break and none is made. */
	| ({ readonly t: "cutFromNats" } & Cut)
	/** Between the scalers and one proxy or all, on either path: NATS, and HTTP to its admin server. */
	| ({ readonly t: "cutProxy" } & Cut<number | "all">)
	/** Between NATS and one process, or all of them. */
	| {
			readonly t: "slowNats";
			readonly who: number | "all";
			readonly delayMs: number;
			readonly forMs: number;
	  }
	| { readonly t: "restartNats"; readonly downMs: number }
	| { readonly t: "freezeNats"; readonly forMs: number }
	| { readonly t: "restartKeda" }
	/** A proxy's watch of the daemons' endpoints stands still. */
	| { readonly t: "stallEndpoints"; readonly who: number; readonly forMs: number }
	/** kill -9 of a buildctl. */
	| { readonly t: "killClient"; readonly who: number };

interface Cut<Who = number> {
	readonly who: Who;
	readonly how: "silent" | "reset";
	readonly forMs: number;
}

export interface PlannedFault {
	/** Since the one before. */
	readonly afterMs: number;
	readonly fault: Fault;
}

/**
 * BuildKit's session health check bears a stall of 25 s (measured with v0.33), so a frozen proxy and right after it a frozen
 * daemon together must stay below that.
 */
const longestFreezeMs = 8_000;

/** The longest are longer than a lease. */
function cut(random: Random): Pick<Cut, "how" | "forMs"> {
	return { how: random.pick(["silent", "reset"]), forMs: random.int(500, 25_000) };
}

const makers: readonly [weight: number, make: (random: Random, who: number) => Fault][] = [
	[
		5,
		(random, who) => ({
			t: "killProxy",
			who,
			downMs: random.magnitude(100, 3_000),
			renamed: random.chance(0.3),
		}),
	],
	[6, (random, who) => ({ t: "stopProxy", who, how: random.pick(["restart", "rollout"]) })],
	[7, (random, who) => ({ t: "freezeProxy", who, forMs: random.magnitude(300, longestFreezeMs) })],
	[4, (random, who) => ({ t: "killScaler", who, downMs: random.magnitude(100, 4_000) })],
	[4, (_, who) => ({ t: "stopScaler", who })],
	[6, (random, who) => ({ t: "freezeScaler", who, forMs: random.magnitude(300, longestFreezeMs) })],
	[3, (random) => ({ t: "killBothScalers", downMs: random.magnitude(1_000, 8_000) })],
	[6, (random, who) => ({ t: "killDaemon", who, downMs: random.magnitude(100, 3_000) })],
	[7, (random, who) => ({ t: "freezeDaemon", who, forMs: random.magnitude(300, longestFreezeMs) })],
	[7, (_, who) => ({ t: "evictDaemon", who })],
	[8, (random) => ({ t: "scaleDown", share: random.next() })],
	[3, (random) => ({ t: "scaleUp", more: random.int(1, 3) })],
	[5, (random, who) => ({ t: "cutFromNats", who, ...cut(random) })],
	[4, (random, who) => ({ t: "cutProxy", who: random.chance(0.4) ? "all" : who, ...cut(random) })],
	[
		6,
		(random, who) => ({
			t: "slowNats",
			who: random.chance(0.5) ? "all" : who,
			delayMs: random.magnitude(20, 2_000),
			forMs: random.magnitude(1_000, 10_000),
		}),
	],
	[3, (random) => ({ t: "restartNats", downMs: random.magnitude(50, 4_000) })],
	[3, (random) => ({ t: "freezeNats", forMs: random.magnitude(300, 6_000) })],
	[3, () => ({ t: "restartKeda" })],
	[3, (random, who) => ({ t: "stallEndpoints", who, forMs: random.magnitude(300, 5_000) })],
	[3, (_, who) => ({ t: "killClient", who })],
];

const deck = makers.flatMap(([weight, make]) => Array.from({ length: weight }, () => make));

/** The faults of a seed, without end: one that meets nobody is passed over and does not count. */
export function* faultsOf(seed: number): Generator<PlannedFault, never> {
	const random = new Random(seed).fork("faults");
	for (;;) {
		const afterMs = random.magnitude(150, 2_500);
		const who = random.int(0, 11);
		const make = deck[random.int(0, deck.length - 1)] ?? deck[0]!;
		yield { afterMs, fault: make(random, who) };
	}
}

/** A spell of builds, after which nobody builds until the pool sleeps, or for long enough. */
export interface Spell {
	readonly builds: readonly PlannedBuild[];
	/** How long the pool may take to fall asleep before somebody builds again. */
	readonly patienceMs: number;
	/** From there to the next spell. */
	readonly restMs: number;
}

interface PlannedBuild {
	/** Since the one before. */
	readonly afterMs: number;
	/** Of its RUN step. */
	readonly seconds: number;
}

/** Short and long spells, with builds of 1 to 20 s. */
export function* spellsOf(seed: number): Generator<Spell, never> {
	const random = new Random(seed).fork("builds");
	for (;;) {
		const isLong = random.chance(0.4);
		const longest = isLong ? 20 : 5;
		const builds = Array.from({ length: isLong ? random.int(20, 50) : random.int(2, 12) }, () => ({
			afterMs: random.magnitude(40, 2_500),
			seconds: Math.round(random.magnitude(1, longest)),
		}));
		yield { builds, patienceMs: random.int(5_000, 15_000), restMs: random.magnitude(50, 2_000) };
	}
}
