import { leaseMs } from "../../events/schema.ts";
import type { Demand } from "../../scaler/demand.ts";
import type { Heard } from "./heard.ts";
import type { Pod } from "./pod.ts";
import type { ScaleDecision } from "./workload.ts";
import type { Law, World } from "./world.ts";

/**
 * A daemon's "nobody builds here" is believed for 1 s, and asking takes at most 0.8 s; a build that begins in that time
 * is what buildkitd's own drain is for.
 */
const verifiedMs = 1_900;

/** What a proxy said is believed for so long; of a daemon that it did not speak of a scaler cannot know sooner. */
const believedMs = leaseMs + verifiedMs;

/** The longest that a word is on its way. */
const wayMs = 5_000;

/** What must hold, whatever happens. */
export class Laws {
	readonly #world: World;

	constructor(world: World) {
		this.#world = world;
	}

	/** L2 and L5 of what a scaler knows: no build that it was told of is missing. */
	demand(scaler: string, heard: Heard, demand: Extract<Demand, { t: "known" }>): void {
		const builds = heard.builds();
		if (demand.waiting + demand.active < builds.length) {
			const said = `${demand.waiting} waiting and ${demand.active} active builds`;
			this.#fail("L2", `${scaler} counts ${said}, and was told of ${builds.length}`);
		}
	}

	/** L2 and L5 of what a scaler answers. */
	answered(scaler: string, heard: Heard, value: number): void {
		const { capacity } = this.#world.config;
		let highest = -1;
		for (const { pod } of heard.builds()) highest = Math.max(highest, pod?.ordinal ?? -1);
		if (value < (highest + 1) * capacity) {
			this.#fail("L5", `${scaler} answers ${value} while ordinal ${highest} builds, at ${capacity} a daemon`);
		}
		if (value > 0) return;
		this.#zeroIsHeard(scaler, heard);
		for (const pod of this.#world.workload.pods) {
			if (pod.isTerminating) continue;
			const before = this.#world.time.now - (heard.knows(pod.host) ? verifiedMs : believedMs);
			for (const client of pod.builds) {
				if (client.vanished || (client.buildsSince ?? before) >= before) continue;
				this.#fail("L2", `${scaler} answers 0 while ${client.describe()} is on ${pod.name}`);
			}
		}
	}

	/** L2: a scaler that sees which proxies there are says zero only if each has said so, up to a lease and a way ago. */
	#zeroIsHeard(scaler: string, heard: Heard): void {
		const { config, time, proxies } = this.#world;
		const { listLagMs, expectedProxies, absentAfterMs } = config;
		if (listLagMs === undefined || expectedProxies !== undefined) return;
		const before = time.now - believedMs - wayMs;
		for (const proxy of proxies) {
			const { name, startedAt, isGone } = proxy;
			if (isGone || startedAt + listLagMs > before) continue;
			if ((heard.heardAt(name) ?? startedAt) <= time.now - absentAfterMs) continue;
			for (const { client } of proxy.carried()) {
				const since = client.waitsSince ?? client.buildsSince ?? time.now;
				if (since < before) this.#fail("L2", `${scaler} answers 0 while ${client.describe()} is at ${name}`);
			}
		}
	}

	/** L1: a daemon is told to go because somebody has scaled. */
	deleted(pod: Pod, { by, basis }: ScaleDecision): void {
		if (basis === undefined) return;
		const known = basis.known.get(pod.number);
		for (const client of pod.builds) {
			if (client.vanished) continue;
			if (known?.has(client.number) === true) {
				this.#fail("L1", `${by} takes ${pod.name}, of whose ${client.describe()} it had been told`);
			}
			const wasThere = (client.buildsSince ?? basis.at) < basis.at - believedMs;
			if (by === "KEDA" && wasThere) {
				this.#fail("L1", `KEDA takes ${pod.name}, where ${client.describe()} had been for long`);
			}
		}
	}

	/** L1: SIGTERM comes after the hook, and meets no build but one that has just begun. */
	terminated(pod: Pod): void {
		const before = this.#world.time.now - verifiedMs;
		for (const client of pod.builds) {
			if (client.vanished || (client.buildsSince ?? before) >= before) continue;
			this.#fail("L1", `the hook of ${pod.name} ended while ${client.describe()} was on it`);
		}
	}

	#fail(law: Law, text: string): void {
		this.#world.fail(law, text);
	}
}
