import type { Readiness } from "../../common/admin.ts";
import { Listeners } from "../../common/listeners.ts";
import { type EndpointSliceDeps, EndpointSliceWatch } from "../../kubernetes/endpoint-slice-watch.ts";
import type { Daemon, DaemonSource } from "../daemon.ts";
import { daemonsOfSlices } from "./endpoint-slice-daemons.ts";
import { oddityOf, type WatchedService } from "./endpoint-slice-service.ts";
import type { PodReasons } from "./pods/pod-reasons.ts";

export interface EndpointSliceSourceDeps extends EndpointSliceDeps {
	/** Why pods do not come; closed with the source. */
	readonly reasons?: PodReasons;
}

/** The daemons behind a Service, as its EndpointSlices have them. */
export class EndpointSliceSource implements DaemonSource {
	readonly #watched: WatchedService;
	readonly #deps: EndpointSliceSourceDeps;
	readonly #watch: EndpointSliceWatch;
	readonly #changes = new Listeners<[]>();
	#daemons: readonly Daemon[] = [];
	#oddity: string | undefined;

	constructor(watched: WatchedService, deps: EndpointSliceSourceDeps) {
		this.#watched = watched;
		this.#deps = deps;
		const whose = { plural: "daemons", count: () => this.#daemons.length };
		this.#watch = new EndpointSliceWatch(watched, whose, deps);
		this.#watch.onChange(() => this.#changed());
	}

	get daemons(): readonly Daemon[] {
		return this.#daemons;
	}

	onChange(listener: () => void): () => void {
		return this.#changes.add(listener);
	}

	ready(): Readiness {
		return this.#watch.ready();
	}

	get ageMs(): number {
		return this.#watch.ageMs;
	}

	hurry(waiting: boolean): void {
		this.#deps.reasons?.hurry(waiting);
	}

	whyNone(): string | undefined {
		return this.#deps.reasons?.text;
	}

	/** Keeps the view as it is and stops watching. */
	close(): void {
		this.#deps.reasons?.close();
		this.#watch.close();
	}

	#changed(): void {
		const { log } = this.#deps;
		const { service, port } = this.#watched;
		const slices = [...this.#watch.slices];
		const daemons = daemonsOfSlices(slices, port);
		const oddity = oddityOf(slices, daemons, this.#watched);
		if (oddity !== undefined && oddity !== this.#oddity) log.warn({ service }, oddity);
		this.#oddity = oddity;
		if (JSON.stringify(daemons) === JSON.stringify(this.#daemons)) return;
		this.#daemons = daemons;
		const draining = daemons.filter((daemon) => daemon.draining).length;
		log.info({ service, daemons: daemons.length, draining }, "daemons changed");
		this.#changes.emit();
	}
}
