import { PushStream } from "../../local/push-stream.ts";
import { type Activity, decideScale } from "../../scaler/replicas/keda-executor.ts";
import { KedaStream } from "./keda-stream.ts";
import { ProcessClock } from "./process-clock.ts";
import type { Random } from "./random.ts";
import type { Reading, ScalerProcess } from "./scaler-process.ts";
import type { World } from "./world.ts";

/**
 * KEDA's operator for one ScaledObject: the stream with its back-off, polls, the scale executor behind one mutex, and
 * what the HPA reads through it. Replicas come from an informer that is behind; a scale is a GET and a PUT, and a
 * conflict is not tried again.
 */
export class Keda {
	readonly #world: World;
	readonly #random: Random;
	/** status.lastActiveTime: it outlives the operator. */
	#lastActiveAt: number | null = null;
	#clock: ProcessClock;
	#stream: KedaStream | undefined;
	#scaler: ScalerProcess | undefined;
	/** Who waits for the scalingMutex, and whether somebody has it. */
	#turns: ((done: () => void) => void)[] = [];
	#scaling = false;
	#alive = false;

	constructor(world: World) {
		this.#world = world;
		this.#random = world.random.fork("keda");
		this.#clock = new ProcessClock(world.time, 0);
	}

	start(): void {
		if (this.#alive) return;
		this.#alive = true;
		const clock = new ProcessClock(this.#world.time, 0);
		this.#clock = clock;
		const open = () => {
			this.#stream = new KedaStream(clock, () => this.#rpcMs(), this.#chooseScaler());
			return this.#stream;
		};
		const stream = new PushStream(open, clock, {
			active: () => this.#inTurn((done) => this.#execute("active", undefined, done)),
			ended: () => {},
		});
		stream.start();
		this.#poll();
	}

	crash(): void {
		if (!this.#alive) return;
		this.#world.trace(() => "KEDA crashes");
		this.#alive = false;
		this.#clock.kill();
		this.#stream?.cancel();
		this.#turns = [];
		this.#scaling = false;
	}

	scalerEnded(scaler: ScalerProcess): void {
		if (this.#alive) this.#stream?.scalerEnded(scaler);
	}

	/** Calls `then` with what a scaler answers, undefined for an error; not at all if the operator dies meanwhile. */
	ask(then: (reading: Reading | undefined) => void): void {
		if (!this.#alive) return;
		const clock = this.#clock;
		const scaler = this.#chooseScaler();
		clock.after(this.#rpcMs(), () => {
			let answered = false;
			const answer = (reading: Reading | undefined) => {
				if (answered) return;
				answered = true;
				clock.after(this.#rpcMs(), () => then(scaler?.isAlive === true ? reading : undefined));
			};
			if (scaler?.isAlive !== true) return answer(undefined);
			// One that dies never answers: its connection ends.
			clock.after(3_000, () => answer(undefined));
			void this.#world.during(scaler.read()).then(answer, (error: unknown) => {
				this.#world.trace(() => `${scaler.name} answers: ${String(error)}`);
				answer(undefined);
			});
		});
	}

	#rpcMs(): number {
		return this.#random.magnitude(1, 20);
	}

	#apiMs(): number {
		return this.#random.magnitude(1, 50);
	}

	/** One connection for all calls, for as long as it lasts. */
	#chooseScaler(): ScalerProcess | undefined {
		if (this.#scaler?.isAlive === true) return this.#scaler;
		const [first, ...others] = this.#world.scalers.filter(({ isAlive }) => isAlive);
		this.#scaler = first === undefined ? undefined : this.#random.pick([first, ...others]);
		return this.#scaler;
	}

	#poll(): void {
		this.#inTurn((done) => {
			this.ask((reading) => {
				const activity = reading === undefined ? "unknown" : reading.active ? "active" : "inactive";
				this.#clock.after(this.#world.config.pollMs, () => this.#poll());
				this.#execute(activity, reading, done);
			});
		});
	}

	#inTurn(work: (done: () => void) => void): void {
		this.#turns.push(work);
		this.#nextTurn();
	}

	#nextTurn(): void {
		if (this.#scaling) return;
		const work = this.#turns.shift();
		if (work === undefined) return;
		this.#scaling = true;
		work(() => {
			this.#scaling = false;
			this.#nextTurn();
		});
	}

	#execute(activity: Activity, reading: Reading | undefined, done: () => void): void {
		const { workload, config } = this.#world;
		const replicas = workload.informedReplicas;
		const decision = decideScale({
			activity,
			replicas,
			lastActiveAt: this.#lastActiveAt,
			now: this.#clock.wallTime(),
			cooldownMs: config.cooldownMs,
		});
		this.#lastActiveAt = decision.lastActiveAt;
		if (decision.replicas === replicas) return done();
		this.#clock.after(this.#apiMs(), () => {
			const { version } = workload.read();
			this.#clock.after(this.#apiMs(), () => {
				workload.write(decision.replicas, version, { by: "KEDA", basis: reading?.basis });
				done();
			});
		});
	}
}
