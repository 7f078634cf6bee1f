import type { Readiness } from "../common/admin.ts";
import { type Backoff, backoffDelayMs } from "../common/backoff.ts";
import type { Clock, Timer } from "../common/clock.ts";
import { unreachable } from "../common/error.ts";
import { Freshness } from "../common/freshness.ts";
import { Listeners } from "../common/listeners.ts";
import type { Logger } from "../common/log.ts";
import { describeFailure } from "./api-failure.ts";
import type { EndpointSlice, SliceEvent } from "./endpoint-slice.ts";

/** A Service whose endpoints somebody wants to know. */
export interface ServiceName {
	readonly namespace: string;
	readonly service: string;
}

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

/** The Kubernetes API, as far as it is needed here. Both throw anything, see api-failure.ts. */
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

/**
 * The EndpointSlices of a Service. Lists, then watches from there on; after any trouble it lists again. Until that
 * worked the last view stands: an API server that is away takes nobody away.
 */
export class EndpointSliceWatch {
	readonly #service: ServiceName;
	readonly #deps: EndpointSliceDeps;
	/** What the endpoints are, for log and readiness. */
	readonly #whose: { readonly plural: string; readonly count: () => number };
	readonly #changes = new Listeners<[]>();
	readonly #ended = new AbortController();
	readonly #slices = new Map<string, EndpointSlice>();
	readonly #freshness: Freshness;
	/** Since the last watch that held. */
	#failures = 0;
	#timer: Timer | undefined;

	/** `whose.plural` is what the endpoints are, e.g. "daemons", and `whose.count` how many of them are used. */
	constructor(
		service: ServiceName,
		whose: { readonly plural: string; readonly count: () => number },
		deps: EndpointSliceDeps,
	) {
		this.#service = service;
		this.#whose = whose;
		this.#deps = deps;
		const { clock, log } = deps;
		this.#freshness = new Freshness({
			of: `the ${whose.plural} of Service ${service.service}`,
			fields: { service: service.service },
			asked: "the Kubernetes API",
			clock,
			log,
		});
		void this.#run();
	}

	get slices(): Iterable<EndpointSlice> {
		return this.#slices.values();
	}

	/** Called when slices may have changed. Returns the function that stops it. */
	onChange(listener: () => void): () => void {
		return this.#changes.add(listener);
	}

	/** Whether there was a list by now. */
	ready(): Readiness {
		return this.#freshness.ready();
	}

	get ageMs(): number {
		return this.#freshness.ageMs;
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
			this.#freshness.confirm();
			this.#changes.emit();
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
			this.#freshness.confirm();
			this.#apply(event);
		};
		try {
			await api.watch(from, { onConnected: () => this.#connected(), onEvent }, signal);
		} finally {
			ended.abort();
			if (clock.now() - startedAt >= shortWatchMs) this.#failures = 0;
		}
		if (clock.now() - startedAt < shortWatchMs) throw new Error("it ended the watch at once");
		this.#freshness.confirm();
		return version;
	}

	#apply(event: SliceEvent): void {
		switch (event.t) {
			case "put":
				this.#slices.set(event.slice.metadata.name, event.slice);
				return this.#changes.emit();
			case "deleted":
				this.#slices.delete(event.name);
				return this.#changes.emit();
			case "bookmark":
				return;
			default:
				return unreachable(event);
		}
	}

	#connected(): void {
		this.#freshness.confirm();
		this.#freshness.recovered(this.#counted());
	}

	#failed(thrown: unknown): void {
		this.#failures++;
		this.#freshness.failed(describeFailure(thrown, this.#service.namespace), this.#counted());
	}

	#counted(): Readonly<Record<string, number>> {
		const { plural, count } = this.#whose;
		return { [plural]: count() };
	}

	/** Never ends after `close`. */
	#pause(ms: number): Promise<void> {
		return new Promise((resolve) => {
			this.#timer = this.#deps.clock.after(ms, resolve);
		});
	}
}
