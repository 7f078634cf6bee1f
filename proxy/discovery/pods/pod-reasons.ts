import type { Clock, Timer } from "../../../common/clock.ts";
import { ScalerError } from "../../../common/error.ts";
import type { Logger } from "../../../common/log.ts";
import { statusCodeOf } from "../../../kubernetes/api-failure.ts";
import type { KubeEvent, Pod } from "./pod.ts";
import { eventsWanted, whyNoDaemon } from "./why-no-daemon.ts";

/** The Kubernetes API, as far as it is needed here. All reject with anything. */
export interface PodApi {
	/** Which pods are the Service's; undefined when it selects none. */
	selector(signal: AbortSignal): Promise<string | undefined>;
	pods(labelSelector: string, signal: AbortSignal): Promise<readonly Pod[]>;
	events(fieldSelector: string, signal: AbortSignal): Promise<readonly KubeEvent[]>;
}

export interface PodReasonsDeps {
	readonly api: PodApi;
	readonly clock: Clock;
	readonly log: Logger;
}

/** An ordinary wake is over by then, and has cost the API nothing. */
const firstLookMs = 2_000;
/** From one look to the next: whoever gives up reads what is true by then. A pod that is not there after so many comes late. */
const oftenMs = 3_000;
const maxOftenLooks = 20;
const seldomMs = 15_000;
/** A daemon that accepts and then dies takes a build out of the queue for a moment, again and again. */
const lingerMs = 5_000;
const lookTimeoutMs = 10_000;
const maxOwners = 100;

/**
 * Why a Service's pods do not come, looked up while a build waits. Its Service's selector finds the pods, as those that
 * are not scheduled are in no EndpointSlice. Without the permission it is off: it is a help, nothing depends on it.
 */
export class PodReasons {
	readonly #service: string;
	readonly #deps: PodReasonsDeps;
	/** Workloads that pods of the Service had. */
	readonly #owners = new Set<string>();
	readonly #denied = new Set<string>();
	#text: string | undefined;
	#hurried = false;
	/** From the first who waits until a while after the last; ends the look that is on its way. */
	#looking: AbortController | undefined;
	#lingering: Timer | undefined;
	/** Of the next look. */
	#timer: Timer | undefined;

	constructor(service: string, deps: PodReasonsDeps) {
		this.#service = service;
		this.#deps = deps;
	}

	/** In words for the user of a build that waits; undefined when nothing is known, or nothing is wrong. */
	get text(): string | undefined {
		return this.#text;
	}

	hurry(waiting: boolean): void {
		if (waiting === this.#hurried) return;
		this.#hurried = waiting;
		this.#lingering?.cancel();
		if (!waiting) {
			this.#lingering = this.#deps.clock.after(lingerMs, () => this.close());
			return;
		}
		if (this.#looking !== undefined) return;
		this.#looking = new AbortController();
		this.#lookAfter(firstLookMs, 1, this.#looking.signal);
	}

	/** Looks no more and forgets what it saw. */
	close(): void {
		this.#lingering?.cancel();
		this.#looking?.abort();
		this.#looking = undefined;
		this.#timer?.cancel();
		this.#text = undefined;
	}

	#lookAfter(delayMs: number, look: number, ended: AbortSignal): void {
		if (this.#denied.has("pods")) return;
		this.#timer = this.#deps.clock.after(delayMs, async () => {
			// The wait was short; if there is another one soon, this is a daemon that dies at once.
			if (!this.#hurried) return this.#lookAfter(firstLookMs, look, ended);
			await this.#look(ended);
			if (!ended.aborted) this.#lookAfter(look < maxOftenLooks ? oftenMs : seldomMs, look + 1, ended);
		});
	}

	async #look(ended: AbortSignal): Promise<void> {
		const { clock, log } = this.#deps;
		const timeout = new AbortController();
		const timer = clock.after(lookTimeoutMs, () => timeout.abort());
		try {
			const text = await this.#why(AbortSignal.any([ended, timeout.signal]));
			if (!ended.aborted) this.#text = text;
		} catch (thrown) {
			if (ended.aborted) return;
			// What was true at the last look may still be.
			const error = ScalerError.from(thrown).message.slice(0, 200);
			log.debug({ service: this.#service, error }, "Kubernetes does not say why pods do not come");
		} finally {
			timer.cancel();
		}
	}

	async #why(signal: AbortSignal): Promise<string | undefined> {
		const { api, clock } = this.#deps;
		const pods = await this.#permitted("pods", async () => {
			const selector = await api.selector(signal);
			return selector === undefined ? undefined : await api.pods(selector, signal);
		});
		if (pods === undefined) return undefined;
		this.#learnOwners(pods);
		const events = await this.#permitted("events", async () => {
			const lists = await Promise.all(eventsWanted(pods).map((selector) => api.events(selector, signal)));
			return lists.flat();
		});
		const isOwner = (kind: string, name: string) => this.#isOwner(kind, name);
		return whyNoDaemon(pods, events ?? [], isOwner, clock.wallTime());
	}

	/** Undefined without the permission, which is asked for once. */
	async #permitted<T>(what: "pods" | "events", ask: () => Promise<T>): Promise<T | undefined> {
		if (this.#denied.has(what)) return undefined;
		try {
			return await ask();
		} catch (thrown) {
			if (statusCodeOf(thrown) !== 403) throw thrown;
			this.#denied.add(what);
			const needs = what === "pods" ? "list pods and get the Service" : "list events";
			const off = "builds that wait are not told what Kubernetes says";
			this.#deps.log.info({ service: this.#service }, `the proxy may not ${needs}: ${off}`);
			return undefined;
		}
	}

	#learnOwners(pods: readonly Pod[]): void {
		for (const { metadata } of pods) {
			for (const { kind, name } of metadata.ownerReferences ?? []) this.#owners.add(`${kind}/${name}`);
		}
		for (const oldest of this.#owners) if (this.#owners.size > maxOwners) this.#owners.delete(oldest);
	}

	/** Where no pod has ever been seen, the workload is taken to be named as its Service is. */
	#isOwner(kind: string, name: string): boolean {
		if (this.#owners.has(`${kind}/${name}`)) return true;
		if (kind === "StatefulSet") return name === this.#service;
		if (kind !== "ReplicaSet" || !name.startsWith(`${this.#service}-`)) return false;
		// What a Deployment adds is a hash.
		return /^[a-z0-9]+$/.test(name.slice(this.#service.length + 1));
	}
}
