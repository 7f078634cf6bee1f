import type { Pod } from "./pod.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

/** The chart's daemons.drain.quietSeconds. */
const quietMs = 10_000;
const lookMs = 1_000;
/** A call that takes longer is given up (drain.sh). */
const callMs = 30_000;

/** The preStop hook of the chart's daemons (charts/buildkit-scaler/files/drain.sh): SIGTERM comes when it has ended. */
export class PreStop {
	readonly #world: World;
	readonly #pod: Pod;
	readonly #random: Random;
	readonly #ended: () => void;

	constructor(world: World, pod: Pod, ended: () => void) {
		this.#world = world;
		this.#pod = pod;
		this.#random = world.random.fork(`drain ${pod.number}`);
		this.#ended = ended;
		this.#call();
	}

	/** Asks any scaler. */
	#call(): void {
		const { time, network, scalers } = this.#world;
		const [first, ...others] = scalers.filter(({ isAlive }) => isAlive);
		const scaler = first === undefined ? undefined : this.#random.pick([first, ...others]);
		if (scaler === undefined || !network.reaches(scaler.name, "daemons")) return this.#watch(quietMs, false);
		let answered = false;
		const once = (act: () => void) => {
			if (answered || this.#pod.isGone) return;
			answered = true;
			act();
		};
		time.after(callMs, () => once(() => this.#watch(quietMs, false)));
		time.after(this.#random.magnitude(1, 20), () => {
			void this.#world.during(scaler.drain(this.#pod.name)).then(({ t }) => {
				this.#world.trace(() => `${this.#pod.name} is ${t}, says ${scaler.name}`);
				if (!scaler.isAlive) return;
				if (t === "drained") time.after(this.#random.magnitude(1, 20), () => once(this.#ended));
				else if (t === "busy") time.after(lookMs, () => once(() => this.#call()));
				else once(() => this.#watch(quietMs, false));
			});
		});
	}

	/** Ends the hook when nobody was connected for long; somebody who is seen twice is reason to ask again. */
	#watch(leftMs: number, seen: boolean): void {
		this.#world.time.after(lookMs, () => {
			if (this.#pod.isGone) return;
			const isSeen = this.#pod.hasConnections;
			if (isSeen && seen) return this.#call();
			if (leftMs > lookMs || isSeen) return this.#watch(Math.max(leftMs - lookMs, 0), isSeen);
			this.#world.trace(() => `${this.#pod.name} had no connection for long`);
			this.#ended();
		});
	}
}
