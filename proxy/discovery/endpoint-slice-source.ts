import type { Readiness } from "../../common/admin.ts";
import { type Backoff, backoffDelayMs } from "../../common/backoff.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import { unreachable } from "../../common/error.ts";
import { Listeners } from "../../common/listeners.ts";
import type { Logger } from "../../common/log.ts";
import type { Daemon, DaemonSource } from "../daemon.ts";
import type { EndpointSlice, SliceEvent } from "./endpoint-slice.ts";
import { daemonsOfSlices } from "./endpoint-slice-daemons.ts";
import { describeFailure } from "./endpoint-slice-failure.ts";
import { oddityOf, type WatchedService } from "./endpoint-slice-service.ts";

export interface SliceList {
	readonly slices: readonly EndpointSlice[];
	/** Where a watch goes on from. */
	readonly version: string;
}

export interface WatchHandlers {
	/** The server has accepted; whatever happened since the version comes next. */
	readonly onConnected: () => void;
	readonly onEvent: (event: SliceEvent) => void;
}

/** The Kubernetes API, as far as it is needed here. Both throw anything, see endpoint-slice-failure.ts. */
export interface EndpointSliceApi {
	list(signal: AbortSignal): Promise<SliceList>;
	/** Resolves when the server ends the watch in good order; rejects when it breaks or falls silent. */
	watch(version: string, handlers: WatchHandlers, signal: AbortSignal): Promise<void>;
}

export interface EndpointSliceDeps {
	readonly api: EndpointSliceApi;
	readonly clock: Clock;
	readonly log: Logger;
}

const retry: Backoff = { firstMs: 200, maxMs: 10_000 };
const listTimeoutMs = 10_000;
/** A watch that ends sooner was of no use: not to be repeated at once, for ever. */
const shortWatchMs = 1_000;
/** The same trouble is told again after this. */
const repeatLogMs = 60_000;

/**
 * The daemons behind a Service. Lists, then watches from there on; after any trouble it lists again. Until that
 * worked the last view stands: an API server that is away takes no daemon away.
 */
export class EndpointSliceSource implements DaemonSource {
	readonly #watched: WatchedService;
	readonly #deps: EndpointSliceDeps;
	readonly #changes = new Listeners<[]>();
	readonly #ended = new AbortController();
	readonly #slices = new Map<string, EndpointSlice>();
	#daemons: readonly Daemon[] = [];
	/** Undefined until the first list. */
	#confirmedAt: number | undefined;
	readonly #startedAt: number;
	/** Since the last watch that held. */
	#failures = 0;
	#failure = { reason: "the Kubernetes API has not answered yet", loggedAt: Number.NEGATIVE_INFINITY };
	/** From the first failure to the next accepted watch. */
	#failing = false;
	#oddity: string | undefined;
	#timer: Timer | undefined;

	constructor(watched: WatchedService, deps: EndpointSliceDeps) {
		this.#watched = watched;
		this.#deps = deps;
		this.#startedAt = deps.clock.now();
		void this.#run();
	}

	get daemons(): readonly Daemon[] {
		return this.#daemons;
	}

	onChange(listener: () => void): () => void {
		return this.#changes.add(listener);
	}

	/** Not ready until the first list: "no daemons" and "not known yet" are not the same. */
	ready(): Readiness {
		if (this.#confirmedAt !== undefined) return { ok: true };
		return {
			ok: false,
			reason: `the daemons of Service ${this.#watched.service} are not known: ${this.#failure.reason}`,
		};
	}

	/** How long ago the view was last known to be the API server's; since the start when it never was. */
	get ageMs(): number {
		return this.#deps.clock.now() - (this.#confirmedAt ?? this.#startedAt);
	}

	/** Keeps the view as it is and stops watching. */
	close(): void {
		this.#ended.abort();
		this.#timer?.cancel();
	}

	async #run(): Promise<void> {
		let version: string | undefined;
		while (!this.#ended.signal.aborted) {
			try {
				version ??= await this.#list();
				version = await this.#watch(version);
			} catch (thrown) {
				if (this.#ended.signal.aborted) return;
				version = undefined;
				this.#failed(thrown);
				await this.#pause(backoffDelayMs(retry, this.#failures));
			}
		}
	}

	async #list(): Promise<string> {
		const { clock } = this.#deps;
		const timeout = new AbortController();
		const timer = clock.after(listTimeoutMs, () => timeout.abort());
		try {
			const { slices, version } = await this.#deps.api.list(
				AbortSignal.any([timeout.signal, this.#ended.signal]),
			);
			if (this.#ended.signal.aborted) return version;
			this.#slices.clear();
			for (const slice of slices) this.#slices.set(slice.metadata.name, slice);
			this.#confirmedAt = clock.now();
			this.#changed();
			return version;
		} finally {
			timer.cancel();
		}
	}

	/** Gives the version that the next watch goes on from. */
	async #watch(from: string): Promise<string> {
		const { api, clock } = this.#deps;
		const startedAt = clock.now();
		const ended = new AbortController();
		const signal = AbortSignal.any([ended.signal, this.#ended.signal]);
		let version = from;
		const onEvent = (event: SliceEvent) => {
			// Lines that came with the last bytes, after the watch was given up: the next list has them, too.
			if (signal.aborted) return;
			version = event.version;
			this.#confirmedAt = clock.now();
			this.#apply(event);
		};
		try {
			await api.watch(from, { onConnected: () => this.#connected(), onEvent }, signal);
		} finally {
			ended.abort();
			if (clock.now() - startedAt >= shortWatchMs) this.#failures = 0;
		}
		if (clock.now() - startedAt < shortWatchMs) throw new Error("it ended the watch at once");
		this.#confirmedAt = clock.now();
		return version;
	}

	#apply(event: SliceEvent): void {
		switch (event.t) {
			case "put":
				this.#slices.set(event.slice.metadata.name, event.slice);
				return this.#changed();
			case "deleted":
				this.#slices.delete(event.name);
				return this.#changed();
			case "bookmark":
				return;
			default:
				return unreachable(event);
		}
	}

	#changed(): void {
		const { log } = this.#deps;
		const { service, port } = this.#watched;
		const slices = [...this.#slices.values()];
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

	#connected(): void {
		const { clock, log } = this.#deps;
		this.#confirmedAt = clock.now();
		if (!this.#failing) return;
		this.#failing = false;
		const { service } = this.#watched;
		log.info({ service, daemons: this.#daemons.length }, "discovery works again");
	}

	#failed(thrown: unknown): void {
		const { clock, log } = this.#deps;
		const { service } = this.#watched;
		this.#failures++;
		this.#failing = true;
		const reason = describeFailure(thrown, this.#watched);
		const now = clock.now();
		if (reason === this.#failure.reason && now - this.#failure.loggedAt < repeatLogMs) return;
		this.#failure = { reason, loggedAt: now };
		// What stays listed is said too: it goes on being used.
		log.warn({ service, daemons: this.#daemons.length }, `discovery fails: ${reason}; it is tried again`);
	}

	/** Never ends after `close`. */
	#pause(ms: number): Promise<void> {
		return new Promise((resolve) => {
			this.#timer = this.#deps.clock.after(ms, resolve);
		});
	}
}
