import type { Clock, Timer } from "../common/clock.ts";
import {
	type Recommendation,
	recommendReplicas,
	recordRecommendation,
	stabilizeReplicas,
} from "../scaler/replicas/hpa.ts";
import type { ScalerReading } from "./scaler-check.ts";

export interface HpaLoopOptions {
	readonly maxReplicas: number;
	/** kube-controller-manager's --horizontal-pod-autoscaler-sync-period. */
	readonly hpaSyncMs: number;
	/** The HPA's scaleDown.stabilizationWindowSeconds, in ms. */
	readonly scaleDownWindowMs: number;
}

export interface HpaLoopDeps {
	readonly clock: Clock;
	readonly replicas: () => number;
	/** undefined: the metric is not to be had, and so nothing changes. */
	readonly read: () => Promise<ScalerReading | undefined>;
	/** Called with every decision, also with one that changes nothing. */
	readonly scale: (replicas: number) => void;
}

/** The HPA's sync loop for one metric. */
export class HpaLoop {
	readonly #options: HpaLoopOptions;
	readonly #deps: HpaLoopDeps;
	#recommendations: readonly Recommendation[] = [];
	#timer: Timer | undefined;
	#stopped = false;

	constructor(options: HpaLoopOptions, deps: HpaLoopDeps) {
		this.#options = options;
		this.#deps = deps;
	}

	/** The first sync is one period away. */
	start(): void {
		if (this.#stopped) return;
		// A sync out of turn runs beside the one under way; from there on they are one again.
		this.#timer?.cancel();
		this.#timer = this.#deps.clock.after(this.#options.hpaSyncMs, () => this.sync());
	}

	/** Syncs at once, out of turn. */
	sync(): void {
		// At zero the HPA is off (ScalingDisabled), and does not even read the metric.
		const decided = this.#deps.replicas() > 0 ? this.#decide() : Promise.resolve();
		void decided.then(() => this.start());
	}

	/** A sync under way decides nothing any more. */
	stop(): void {
		this.#stopped = true;
		this.#timer?.cancel();
	}

	async #decide(): Promise<void> {
		const { clock, read, scale } = this.#deps;
		const { maxReplicas, scaleDownWindowMs } = this.#options;
		const replicas = this.#deps.replicas();
		const reading = await read();
		// Scaled meanwhile: Kubernetes would refuse the write, as the resourceVersion is no longer the one read.
		if (reading === undefined || this.#stopped || this.#deps.replicas() !== replicas) return;
		const recommended = recommendReplicas({ ...reading, replicas }, maxReplicas);
		const entry = { at: clock.now(), replicas: recommended };
		this.#recommendations = recordRecommendation(this.#recommendations, entry, scaleDownWindowMs);
		scale(stabilizeReplicas(replicas, recommended, this.#recommendations));
	}
}
