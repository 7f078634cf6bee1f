import type { ScaleTarget } from "../../local/controller.ts";
import type { Random } from "../model/random.ts";
import type { EndpointsApi } from "./endpoints-api.ts";
import { Pod, type PodDeps } from "./pod.ts";

export interface StatefulSetDeps extends Omit<PodDeps, "changed" | "startMs"> {
	readonly api: EndpointsApi;
	readonly random: Random;
	readonly nextHost: () => string;
	readonly scaled: (from: number, to: number) => void;
}

/** The slowest start of a pod: a node and an image are there. */
const longestStartMs = 1_500;
/** Each daemon's own, on an address of its own; the same for the next pod of the name. */
const firstPort = 11_234;

/** A StatefulSet with podManagementPolicy Parallel, whose pods are real buildkitds on addresses of this machine. */
export class StatefulSet implements ScaleTarget {
	readonly #deps: StatefulSetDeps;
	readonly #byOrdinal = new Map<number, Pod>();
	readonly #maxReplicas: number;
	#replicas = 0;
	#created = 0;
	#closed = false;

	constructor(maxReplicas: number, deps: StatefulSetDeps) {
		this.#maxReplicas = maxReplicas;
		this.#deps = deps;
	}

	get replicas(): number {
		return this.#replicas;
	}

	/** By ordinal. */
	get pods(): readonly Pod[] {
		return [...this.#byOrdinal.values()].sort((a, b) => a.place.ordinal - b.place.ordinal);
	}

	scale(replicas: number): void {
		if (this.#closed) return;
		const from = this.#replicas;
		this.#replicas = Math.min(Math.max(replicas, 0), this.#maxReplicas);
		if (from !== this.#replicas) this.#deps.scaled(from, this.#replicas);
		for (let ordinal = 0; ordinal < this.#replicas; ordinal++) this.#create(ordinal);
		for (const pod of this.pods.toReversed()) if (pod.place.ordinal >= this.#replicas) pod.delete();
	}

	/** Ends every pod without asking. */
	async close(): Promise<void> {
		this.#closed = true;
		await Promise.all(this.pods.map((pod) => pod.remove()));
	}

	#create(ordinal: number): void {
		if (this.#byOrdinal.has(ordinal)) return;
		const { random, nextHost } = this.#deps;
		const uid = `pod-${++this.#created}`;
		const place = { ordinal, uid, host: nextHost(), port: firstPort + ordinal };
		const startMs = random.magnitude(20, longestStartMs);
		const changed = (pod: Pod) => this.#changed(pod);
		this.#byOrdinal.set(ordinal, new Pod(place, { ...this.#deps, startMs, changed }));
	}

	#changed(pod: Pod): void {
		if (this.#closed) return;
		const { name, place, state } = pod;
		const { ordinal, uid, host, port } = place;
		if (state === "gone") {
			this.#deps.api.remove(uid);
			this.#byOrdinal.delete(ordinal);
			// Its name is free for the next one.
			if (ordinal < this.#replicas) this.#create(ordinal);
			return;
		}
		// Listed before it is ready, as behind the chart's Service.
		const { isTerminating } = pod;
		const serving = state !== "crashed";
		this.#deps.api.put({ name, uid, host, port, serving, terminating: isTerminating });
	}
}
