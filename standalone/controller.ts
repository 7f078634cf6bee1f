import type { Clock, Timer } from "../common/clock.ts";
import { ScalerError } from "../common/error.ts";
import type { Logger } from "../common/log.ts";
import { OnceAMinute } from "../common/once-a-minute.ts";
import { isConflict } from "../kubernetes/api-error.ts";
import { type Scale, type ScaleApi, type Workload, workloadName } from "../kubernetes/workload.ts";
import type { Demand } from "../scaler/demand.ts";
import { type Decision, decide, newMemory, type ScalingMemory, type ScalingRules } from "./decision.ts";

export interface ControllerDeps {
	readonly clock: Clock;
	readonly log: Logger;
	readonly api: ScaleApi;
	/** Set while we are the one that scales; aborted when we are no longer. */
	readonly term: () => AbortSignal | undefined;
	/** What the proxies say; a zero was not verified. */
	readonly demand: () => Demand;
	/** The same after the daemons were asked, if it is a zero; within a second. */
	readonly verifiedDemand: () => Promise<Demand>;
	/** Why there may be more than the demand; undefined: that is all. */
	readonly notWhole: () => string | undefined;
	/**
	 * Sees to it that the daemons beyond the first `replicas` get no builds any more. False: one has a build, or it cannot be
	 * known; then they may be without new ones for `drainMarkMs`.
	 */
	readonly clear: (replicas: number, signal: AbortSignal) => Promise<boolean>;
	/** Told of each attempt to write. */
	readonly onWrite: (direction: "up" | "down", outcome: "scaled" | "conflict" | "failed") => void;
}

/** How often time itself is looked at: idle timeouts end, daemons are asked. */
const tickMs = 1_000;
/** How old what we know of the workload may be: others may scale it too. */
const readAgainMs = 5_000;
/** What a leader still has under way when its time is over must end before another one's begins (election.ts). */
const requestMs = 4_000;
/** After daemons could not be cleared: until all of them take builds again. */
const clearAgainMs = 60_000;

/** Sets the replicas of a pool's workload, by itself. */
export class Controller {
	readonly #workload: Workload;
	readonly #rules: ScalingRules;
	readonly #deps: ControllerDeps;
	readonly #trouble: OnceAMinute;
	readonly #stopped = new AbortController();
	#memory: ScalingMemory;
	#seen: { readonly scale: Scale; readonly at: number } | undefined;
	#lowerAfter = Number.NEGATIVE_INFINITY;
	#holding: string | undefined;
	#timer: Timer | undefined;
	#again = false;
	#running: Promise<void> | undefined;

	constructor(workload: Workload, rules: ScalingRules, deps: ControllerDeps) {
		this.#workload = workload;
		this.#rules = rules;
		this.#deps = deps;
		this.#trouble = new OnceAMinute(deps.clock);
		this.#memory = newMemory(deps.clock.now());
		this.#tick();
	}

	/** The workload's replicas as last read or written; undefined while we do not lead. */
	get replicas(): number | undefined {
		return this.#seen?.scale.replicas;
	}

	/** To be called whenever demand or leadership may have changed. */
	check(): void {
		this.#again = true;
		this.#running ??= this.#run().finally(() => {
			this.#running = undefined;
		});
	}

	/** Nothing is scaled any more once it has resolved. */
	async stop(): Promise<void> {
		this.#timer?.cancel();
		this.#stopped.abort(new Error("stopping"));
		await this.#running;
	}

	#tick(): void {
		this.#timer = this.#deps.clock.after(tickMs, () => {
			this.#tick();
			this.check();
		});
	}

	async #run(): Promise<void> {
		while (this.#again && !this.#stopped.signal.aborted) {
			this.#again = false;
			const term = this.#deps.term();
			if (term === undefined) this.#follow();
			else await this.#lead(AbortSignal.any([term, this.#stopped.signal]));
		}
	}

	/** Remembers what the leader remembers, so that a change of leaders changes nothing else. */
	#follow(): void {
		this.#seen = undefined;
		this.#memory = this.#decide(this.#deps.demand(), 0).memory;
	}

	async #lead(signal: AbortSignal): Promise<void> {
		const { log } = this.#deps;
		try {
			await this.#step(signal);
		} catch (thrown) {
			const error = ScalerError.from(thrown);
			// The next look reads it anew, whoever wrote it and whatever came of our own request.
			this.#seen = undefined;
			if (signal.aborted) return;
			if (isConflict(error)) this.#again = true;
			else if (this.#trouble.admit(error.code) !== undefined)
				log.warn({ error: error.message }, "cannot scale: everything stays as it is");
		}
	}

	async #step(signal: AbortSignal): Promise<void> {
		const { clock, demand, verifiedDemand, clear } = this.#deps;
		const seen = await this.#read(signal);
		let known = demand();
		let decision = this.#decide(known, seen.replicas);
		if (decision.replicas < seen.replicas && clock.now() >= this.#lowerAfter) {
			known = await verifiedDemand();
			decision = this.#decide(known, seen.replicas);
		}
		this.#memory = decision.memory;
		this.#note(known);
		if (decision.replicas < seen.replicas) {
			if (clock.now() < this.#lowerAfter) return;
			if (!(await clear(decision.replicas, signal))) {
				this.#lowerAfter = clock.now() + clearAgainMs;
				return;
			}
		}
		if (decision.replicas !== seen.replicas) await this.#write(seen, decision.replicas, signal);
	}

	#decide(demand: Demand, replicas: number): Decision {
		const { clock, notWhole } = this.#deps;
		const isWhole = notWhole() === undefined;
		return decide({ demand, isWhole, replicas, now: clock.now(), memory: this.#memory }, this.#rules);
	}

	/** Says once why nothing is scaled down, and once that it is again. */
	#note(demand: Demand): void {
		const { notWhole, log } = this.#deps;
		const why = notWhole() ?? (demand.t === "unknown" ? demand.reason : undefined);
		if (why === this.#holding) return;
		this.#holding = why;
		if (why === undefined) log.info("the demand is known");
		else log.info({ why }, "nothing is scaled down: there may be builds that are not known");
	}

	async #read(signal: AbortSignal): Promise<Scale> {
		const { clock, api } = this.#deps;
		const now = clock.now();
		if (this.#seen !== undefined && now - this.#seen.at < readAgainMs) return this.#seen.scale;
		const scale = await api.read(this.#workload, this.#limited(signal));
		this.#seen = { scale, at: now };
		return scale;
	}

	async #write(seen: Scale, replicas: number, signal: AbortSignal): Promise<void> {
		const { clock, api, log, onWrite } = this.#deps;
		const direction = replicas > seen.replicas ? "up" : "down";
		const at = clock.now();
		try {
			const scale = await api.patch(this.#workload, replicas, seen, this.#limited(signal));
			this.#seen = { scale, at };
		} catch (thrown) {
			onWrite(direction, isConflict(ScalerError.from(thrown)) ? "conflict" : "failed");
			throw thrown;
		}
		onWrite(direction, "scaled");
		log.info({ from: seen.replicas, to: replicas, workload: workloadName(this.#workload) }, "scaled");
	}

	#limited(signal: AbortSignal): AbortSignal {
		return AbortSignal.any([signal, AbortSignal.timeout(requestMs)]);
	}
}
