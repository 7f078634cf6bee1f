import type { DemandSource } from "../answers.ts";
import type { Demand } from "../demand.ts";
import type { DemandTracker } from "../demand-tracker.ts";
import type { PoolKey } from "../pool-key.ts";
import { verifiedZero } from "./verified-zero.ts";
import type { ZeroVerifier } from "./zero-verifier.ts";

/** The demand that is told to KEDA: zero only after the daemons themselves were asked. */
export class VerifiedDemand implements DemandSource {
	readonly #tracker: DemandTracker;
	/** Undefined: the proxies are believed. */
	readonly #verifier: ZeroVerifier | undefined;

	constructor(tracker: DemandTracker, verifier: ZeroVerifier | undefined) {
		this.#tracker = tracker;
		this.#verifier = verifier;
	}

	capacity(key: PoolKey): number | undefined {
		return this.#tracker.capacity(key);
	}

	demand(key: PoolKey): Demand {
		const demand = this.#tracker.demand(key);
		if (this.#verifier === undefined || !isZero(demand)) return demand;
		return verifiedZero(demand, this.#verifier.words(key, this.#tracker.daemons(key)));
	}

	/** Resolves, within a second, when `demand` is as well known as it gets. */
	async settle(key: PoolKey): Promise<void> {
		if (!isZero(this.#tracker.demand(key))) return;
		await this.#verifier?.settle(key, this.#tracker.daemons(key));
	}
}

function isZero(demand: Demand): demand is Extract<Demand, { t: "known" }> {
	return demand.t === "known" && demand.waiting + demand.active === 0;
}
