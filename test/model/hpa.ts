import {
	type Recommendation,
	recommendReplicas,
	recordRecommendation,
	stabilizeReplicas,
} from "../../scaler/replicas/hpa.ts";
import type { Random } from "./random.ts";
import type { Reading } from "./scaler-process.ts";
import type { Scale } from "./workload.ts";
import type { World } from "./world.ts";

export interface HpaOptions {
	readonly maxReplicas: number;
	readonly syncMs: number;
	/** scaleDown of the chart: for a Deployment it is disabled. */
	readonly scaleDown:
		| { readonly t: "disabled" }
		| { readonly t: "pods"; readonly windowMs: number; readonly pods: number; readonly periodMs: number };
}

/** kube-controller-manager's loop for the ScaledObject's HPA. */
export class Hpa {
	readonly #world: World;
	readonly #random: Random;
	readonly #options: HpaOptions;
	#recommendations: readonly Recommendation[] = [];
	#removed: readonly { readonly at: number; readonly pods: number }[] = [];

	constructor(world: World, options: HpaOptions) {
		this.#world = world;
		this.#random = world.random.fork("hpa");
		this.#options = options;
	}

	start(): void {
		const { time } = this.#world;
		const sync = () => {
			time.after(this.#options.syncMs, sync);
			this.#sync();
		};
		time.after(this.#random.int(0, this.#options.syncMs), sync);
	}

	#sync(): void {
		const { workload, keda, time } = this.#world;
		const scale = workload.read();
		// ScalingDisabled: at 0 it does not even read the metric.
		if (scale.replicas === 0) return;
		keda.ask((reading) => {
			if (reading === undefined) return;
			const wanted = this.#wanted(reading, scale);
			if (wanted === scale.replicas) return;
			time.after(this.#random.magnitude(1, 50), () => {
				const decision = { by: "HPA", basis: reading.basis } as const;
				const written = workload.write(wanted, scale.version, decision);
				const pods = scale.replicas - wanted;
				if (written && pods > 0) this.#removed = [...this.#removed, { at: time.now, pods }];
			});
		});
	}

	#wanted({ value, target }: Reading, { replicas, existing }: Scale): number {
		const { maxReplicas, scaleDown } = this.#options;
		const { now } = this.#world.time;
		const recommended = recommendReplicas({ value, target, replicas: existing }, maxReplicas);
		if (scaleDown.t === "disabled") return Math.max(recommended, replicas);
		const { windowMs, pods, periodMs } = scaleDown;
		const entry = { at: now, replicas: recommended };
		this.#recommendations = recordRecommendation(this.#recommendations, entry, windowMs);
		const stabilized = stabilizeReplicas(replicas, recommended, this.#recommendations);
		this.#removed = this.#removed.filter(({ at }) => at > now - periodMs);
		const removed = this.#removed.reduce((sum, entry) => sum + entry.pods, 0);
		return Math.max(stabilized, Math.min(replicas, replicas + removed - pods));
	}
}
