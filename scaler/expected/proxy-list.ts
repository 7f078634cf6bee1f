import type { Readiness } from "../../common/admin.ts";
import type { Clock } from "../../common/clock.ts";
import { Listeners } from "../../common/listeners.ts";
import type { Logger } from "../../common/log.ts";
import {
	type EndpointSliceApi,
	EndpointSliceWatch,
	type ServiceName,
} from "../../kubernetes/endpoint-slice-watch.ts";
import { type Expected, isEmpty, type ProxyPod } from "./expected.ts";
import { maxPods, proxyPods } from "./proxy-pods.ts";

/** A watch is renewed every 25 s; an older view may lack somebody. */
const currentMs = 30_000;

export interface ProxyListDeps {
	readonly api: EndpointSliceApi;
	readonly clock: Clock;
	readonly log: Logger;
}

/** The proxies of a pool: the pods behind their Service, by its EndpointSlices. The last view stands while the API is away. */
export class ProxyList {
	readonly #service: ServiceName;
	readonly #adminPort: number;
	readonly #deps: ProxyListDeps;
	readonly #watch: EndpointSliceWatch;
	readonly #changes = new Listeners<[]>();
	#pods: readonly ProxyPod[] = [];
	#listed = false;

	constructor(service: ServiceName, adminPort: number, deps: ProxyListDeps) {
		this.#service = service;
		this.#adminPort = adminPort;
		this.#deps = deps;
		const whose = { plural: "proxies", count: () => this.#pods.length };
		this.#watch = new EndpointSliceWatch(service, whose, deps);
		this.#watch.onChange(() => this.#changed());
	}

	get expected(): Expected {
		const { ok, reason = "not listed yet" } = this.#watch.ready();
		if (!ok) return { t: "unlisted", why: reason };
		return { t: "listed", proxies: this.#pods, current: this.#watch.ageMs < currentMs };
	}

	/** Since the list was last known to be true. */
	get ageMs(): number {
		return this.#watch.ageMs;
	}

	get pods(): readonly ProxyPod[] {
		return this.#pods;
	}

	/** Called after each change of what is expected. */
	onChange(listener: () => void): () => void {
		return this.#changes.add(listener);
	}

	/** Nobody listens at this address, or nobody who serves the pool. */
	foundEmpty(admin: string): void {
		const now = this.#deps.clock.now();
		const isNews = this.#pods.some((pod) => pod.admin === admin && !isEmpty(pod, now));
		this.#pods = this.#pods.map((pod) => (pod.admin === admin ? { ...pod, emptyAt: now } : pod));
		if (isNews) this.#changes.emit();
	}

	/** Whether there was a list by now. */
	ready(): Readiness {
		return this.#watch.ready();
	}

	close(): void {
		this.#watch.close();
	}

	#changed(): void {
		const { clock, log } = this.#deps;
		const { service } = this.#service;
		const now = clock.now();
		const before = new Map(this.#pods.map((pod) => [`${pod.name} ${pod.admin}`, pod]));
		let isSame = this.#listed;
		this.#pods = proxyPods(this.#watch.slices, this.#adminPort).map((place): ProxyPod => {
			const known = before.get(`${place.name} ${place.admin}`);
			if (known?.terminating !== place.terminating) isSame = false;
			return { t: "pod", ...place, listedAt: known?.listedAt ?? now, emptyAt: known?.emptyAt };
		});
		isSame &&= this.#pods.length === before.size;
		this.#listed = true;
		if (isSame) return;
		log.info({ service, proxies: this.#pods.length }, "proxies changed");
		if (this.#pods.length === maxPods) log.warn({ service }, `only ${maxPods} proxies are expected`);
		this.#changes.emit();
	}
}
