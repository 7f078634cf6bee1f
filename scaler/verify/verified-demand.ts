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
	/** Pools whose zero somebody waits for; resolved as soon as the demand is something else. */
	readonly #zeros = new Map<PoolKey, PromiseWithResolvers<void>>();

	constructor(tracker: DemandTracker, verifier: ZeroVerifier | undefined) {
		this.#tracker = tracker;
		this.#verifier = verifier;
		tracker.onPoolChanged((key) => this.#changed(key));
		tracker.onAllChanged(() => {
			for (const key of this.#zeros.keys()) this.#changed(key);
		});
	}

	capacity(key: PoolKey): number | undefined {
		return this.#tracker.capacity(key);
	}

	demand(key: PoolKey): Demand {
		const demand = this.#tracker.demand(key);
		if (this.#verifier === undefined || !isZero(demand)) return demand;
		return verifiedZero(demand, this.#verifier.words(key, this.#tracker.daemons(key)));
	}

	/**
	 * Resolves, within a second, when `demand` is as well known as it gets: also at once when a client comes while the
	 * daemons are asked. KEDA takes no push of a pool while it polls it (scale_handler.go, scalingMutex), and a daemon
	 * that just went may leave its question without an answer until the limit.
	 */
	async settle(key: PoolKey): Promise<void> {
		if (this.#verifier === undefined || !isZero(this.#tracker.demand(key))) return;
		const zero = this.#zeros.get(key) ?? Promise.withResolvers<void>();
		this.#zeros.set(key, zero);
		await Promise.race([this.#verifier.settle(key, this.#tracker.daemons(key)), zero.promise]);
		// Whoever waits with us waits for the same round; who came after it has a promise of their own.
		if (this.#zeros.get(key) === zero) this.#zeros.delete(key);
	}

	#changed(key: PoolKey): void {
		const zero = this.#zeros.get(key);
		if (zero !== undefined && !isZero(this.#tracker.demand(key))) zero.resolve();
	}
}

function isZero(demand: Demand): demand is Extract<Demand, { t: "known" }> {
	return demand.t === "known" && demand.waiting + demand.active === 0;
}
