import type { Clock, Timer } from "../common/clock.ts";
import { ScalerError } from "../common/error.ts";
import { Listeners } from "../common/listeners.ts";
import type { ExternalScalerClient, ScaledObjectRef } from "../protos/external-scaler.ts";
import { type Activity, decideScale } from "../scaler/replicas/keda-executor.ts";
import { HpaLoop, type HpaLoopOptions } from "./hpa-loop.ts";
import type { ControllerObservation, ScaleReason } from "./observation.ts";
import { type ActivityStream, PushStream } from "./push-stream.ts";
import { checkScaler, type ScalerReading } from "./scaler-check.ts";

/** What is scaled; the scale subresource of a StatefulSet in small. */
export interface ScaleTarget {
	/** As last set, whatever exists by now. */
	readonly replicas: number;
	scale(replicas: number): void;
}

/** The scaler, over gRPC only: a controller that knew more than KEDA does would prove nothing. */
export interface ScalerClient
	extends Pick<ExternalScalerClient, "isActive" | "getMetricSpec" | "getMetrics"> {
	streamIsActive(ref: ScaledObjectRef): ActivityStream;
}

export interface ControllerOptions extends HpaLoopOptions {
	/** How the scaler finds the pool: `scalerMetadata.pool`. */
	readonly ref: ScaledObjectRef;
	/** KEDA's pollingInterval, from the end of a poll to the next. */
	readonly pollMs: number;
	/** KEDA's cooldownPeriod. */
	readonly cooldownMs: number;
}

export interface ControllerDeps {
	readonly client: ScalerClient;
	readonly target: ScaleTarget;
	readonly clock: Clock;
}

/** Plays KEDA (push stream, polls, scale executor) and the HPA for one pool. */
export class Controller {
	readonly #options: ControllerOptions;
	readonly #deps: ControllerDeps;
	readonly #stream: PushStream;
	readonly #hpa: HpaLoop;
	readonly #observations = new Listeners<[ControllerObservation]>();
	/** KEDA's scalingMutex: a push waits for the poll under way, whose older answer must not undo it. */
	#scaling: Promise<void> = Promise.resolve();
	#lastActiveAt: number | null = null;
	#pollTimer: Timer | undefined;
	#stopped = false;

	constructor(options: ControllerOptions, deps: ControllerDeps) {
		const { client, clock, target } = deps;
		this.#options = options;
		this.#deps = deps;
		this.#stream = new PushStream(() => client.streamIsActive(options.ref), clock, {
			active: () => this.#pushed(),
			ended: (message, retryMs) => this.#observe({ t: "streamEnded", at: clock.now(), message, retryMs }),
		});
		this.#hpa = new HpaLoop(options, {
			clock,
			replicas: () => target.replicas,
			read: () => this.#read(),
			scale: (replicas) => this.#scale(replicas, "metric"),
		});
	}

	onObservation(listener: (observation: ControllerObservation) => void): () => void {
		return this.#observations.add(listener);
	}

	/** The first poll is at once, as KEDA's is. */
	start(): void {
		this.#stream.start();
		this.#poll();
		this.#hpa.start();
	}

	/** Nothing is scaled or observed any more; answers under way are ignored. */
	stop(): void {
		this.#stopped = true;
		this.#stream.stop();
		this.#pollTimer?.cancel();
		this.#hpa.stop();
	}

	#pushed(): void {
		this.#observe({ t: "pushed", at: this.#deps.clock.now() });
		this.#inTurn(async () => this.#executor("active"));
	}

	#poll(): void {
		this.#inTurn(async () => {
			const reading = await this.#read();
			if (this.#stopped) return;
			this.#executor(activityOf(reading));
			this.#pollTimer = this.#deps.clock.after(this.#options.pollMs, () => this.#poll());
		});
	}

	#inTurn(work: () => Promise<void>): void {
		this.#scaling = this.#scaling.then(() => (this.#stopped ? undefined : work()));
	}

	#executor(activity: Activity): void {
		const { clock, target } = this.#deps;
		const { cooldownMs } = this.#options;
		const { replicas } = target;
		const input = { activity, replicas, lastActiveAt: this.#lastActiveAt, now: clock.now(), cooldownMs };
		const decision = decideScale(input);
		this.#lastActiveAt = decision.lastActiveAt;
		const isWake = replicas === 0 && decision.replicas > 0;
		this.#scale(decision.replicas, isWake ? "demand" : "cooldown");
		// A crowd that came to a sleeping pool should not wait for the HPA's next turn.
		if (isWake) this.#hpa.sync();
	}

	/** undefined for an error: unknown is not zero. */
	async #read(): Promise<ScalerReading | undefined> {
		const { client, clock } = this.#deps;
		try {
			return await checkScaler(client, this.#options.ref, clock);
		} catch (error) {
			this.#observe({ t: "checkFailed", at: clock.now(), message: ScalerError.from(error).message });
			return undefined;
		}
	}

	#scale(to: number, reason: ScaleReason): void {
		const { clock, target } = this.#deps;
		const from = target.replicas;
		if (from === to) return;
		this.#observe({ t: "scaled", at: clock.now(), from, to, reason });
		target.scale(to);
	}

	#observe(observation: ControllerObservation): void {
		if (!this.#stopped) this.#observations.emit(observation);
	}
}

function activityOf(reading: ScalerReading | undefined): Activity {
	if (reading === undefined) return "unknown";
	return reading.active ? "active" : "inactive";
}
