import { Listeners } from "../../common/listeners.ts";
import type { Daemon } from "../../proxy/daemon.ts";
import { Pod } from "./pod.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

export interface WorkloadOptions {
	readonly kind: "StatefulSet" | "Deployment";
	/** The slowest start of a pod, from its creation until buildkitd listens. */
	readonly startMs: number;
	/** Whether pods have the chart's preStop hook. */
	readonly preStop: boolean;
	/** How far KEDA's informer may be behind. */
	readonly informerMs: number;
}

/** Who wrote the replicas, and on what it knew; the laws judge it by that. */
export interface ScaleDecision {
	readonly by: "KEDA" | "HPA" | "somebody";
	/** What the scaler that was asked knew then; undefined when nobody was asked. */
	readonly basis: DecisionBasis | undefined;
}

export interface DecisionBasis {
	readonly at: number;
	/** Build numbers that the scaler had been told to be on a pod, by the pod's number. */
	readonly known: ReadonlyMap<number, ReadonlySet<number>>;
}

/** The scale subresource as somebody read it. */
export interface Scale {
	readonly replicas: number;
	readonly existing: number;
	readonly version: number;
}

/** The StatefulSet (Parallel) or Deployment, its controller, and the endpoints of its Service. */
export class Workload {
	readonly #world: World;
	readonly #options: WorkloadOptions;
	readonly #random: Random;
	readonly #changed = new Listeners<[]>();
	readonly #all: Pod[] = [];
	/** Those whose object exists. */
	#pods: Pod[] = [];
	/** Told to go; SIGTERM comes a moment later. */
	readonly #deleted = new Set<Pod>();
	#replicas = 0;
	#informed = 0;
	#informedAt = 0;
	#version = 0;
	#reconciling = false;
	#decision: ScaleDecision = { by: "somebody", basis: undefined };

	constructor(world: World, options: WorkloadOptions) {
		this.#world = world;
		this.#options = options;
		this.#random = world.random.fork("workload");
	}

	get pods(): readonly Pod[] {
		return this.#pods;
	}

	get replicas(): number {
		return this.#replicas;
	}

	/** What KEDA's informer has. */
	get informedReplicas(): number {
		return this.#informed;
	}

	pod(number: number): Pod | undefined {
		return this.#all[number];
	}

	podAt(host: string): Pod | undefined {
		return this.#pods.find((pod) => pod.host === host);
	}

	read(): Scale {
		return { replicas: this.#replicas, existing: this.#existing(), version: this.#version };
	}

	/** A PUT; false for a conflict: somebody wrote since `version` was read. */
	write(replicas: number, version: number, decision: ScaleDecision): boolean {
		if (version !== this.#version) {
			this.#world.trace(() => `conflict: ${decision.by} wanted ${replicas} replicas`);
			return false;
		}
		if (replicas === this.#replicas) return true;
		this.#world.trace(() => `${decision.by} scales ${this.#replicas} -> ${replicas}`);
		if (this.#replicas === 0) this.#world.count("wakes");
		this.#replicas = replicas;
		this.#version++;
		this.#decision = decision;
		const { time } = this.#world;
		// An informer is late, but tells things in their order.
		this.#informedAt = Math.max(
			this.#informedAt,
			time.now + this.#random.magnitude(1, this.#options.informerMs),
		);
		time.after(this.#informedAt - time.now, () => {
			this.#informed = replicas;
		});
		this.#reconcileSoon();
		return true;
	}

	/** A node is drained: the pod goes as if it were scaled away, and comes again. */
	evict(pod: Pod): void {
		if (this.isDeleted(pod)) return;
		this.#delete(pod);
		this.#reconcileSoon();
	}

	podGone(pod: Pod): void {
		this.#world.trace(() => `${pod.name} is gone`);
		this.#pods = this.#pods.filter((other) => other !== pod);
		this.#version++;
		this.#changed.emit();
		this.#reconcileSoon();
	}

	/** What the EndpointSlices say of it (with publishNotReadyAddresses). */
	endpoints(): Daemon[] {
		return this.#pods.map((pod) => ({
			name: pod.name,
			address: { t: "tcp", host: pod.host, port: 1234 },
			ordinal: pod.ordinal,
			draining: this.isDeleted(pod),
		}));
	}

	onEndpointsChanged(listener: () => void): () => void {
		return this.#changed.add(listener);
	}

	/** Whether it was told to go, or will be in a moment. */
	isDeleted(pod: Pod): boolean {
		return this.#deleted.has(pod);
	}

	#existing(): number {
		// A StatefulSet counts pods until they are gone, a ReplicaSet until they are told to go.
		if (this.#options.kind === "StatefulSet") return this.#pods.length;
		return this.#pods.filter((pod) => !this.isDeleted(pod)).length;
	}

	#reconcileSoon(): void {
		if (this.#reconciling) return;
		this.#reconciling = true;
		this.#world.time.after(this.#random.magnitude(2, 300), () => {
			this.#reconciling = false;
			this.#reconcile();
		});
	}

	#reconcile(): void {
		const staying = this.#pods.filter((pod) => !this.isDeleted(pod));
		if (this.#options.kind === "StatefulSet") {
			// Highest ordinals first; an ordinal is free only when its last pod is gone.
			for (const pod of staying) if ((pod.ordinal ?? 0) >= this.#replicas) this.#scaleAway(pod);
			for (let ordinal = 0; ordinal < this.#replicas; ordinal++) {
				if (!this.#pods.some((pod) => pod.ordinal === ordinal)) this.#create(`daemons-${ordinal}`, ordinal);
			}
			return;
		}
		for (let count = staying.length; count < this.#replicas; count++) {
			this.#create(`daemons-${this.#all.length.toString(36)}`, null);
		}
		// Those that do not run yet go first, the others as it happens.
		const order = staying
			.map((pod) => ({ pod, rank: (pod.isUp ? 1 : 0) + this.#random.next() / 2 }))
			.sort((a, b) => a.rank - b.rank);
		for (const { pod } of order.slice(0, Math.max(staying.length - this.#replicas, 0))) this.#scaleAway(pod);
	}

	#create(name: string, ordinal: number | null): void {
		const startMs = this.#random.magnitude(200, this.#options.startMs);
		const pod = new Pod(this.#world, { number: this.#all.length, name, ordinal, startMs });
		this.#world.trace(() => `${name} is created, up in ${startMs} ms`);
		this.#all.push(pod);
		this.#pods.push(pod);
		this.#version++;
		this.#changed.emit();
	}

	#scaleAway(pod: Pod): void {
		this.#world.laws.deleted(pod, this.#decision);
		this.#delete(pod);
	}

	#delete(pod: Pod): void {
		this.#world.trace(() => `${pod.name} is deleted, ${pod.builds.size} builds on it`);
		this.#deleted.add(pod);
		this.#version++;
		this.#changed.emit();
		// The kubelet hears of it a moment later.
		this.#world.time.after(this.#random.magnitude(1, 1_000), () => pod.delete());
	}
}
