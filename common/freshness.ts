import type { Readiness } from "./admin.ts";
import type { Clock } from "./clock.ts";
import type { Logger } from "./log.ts";

/** The same trouble is told again after this. */
const repeatLogMs = 60_000;

export interface FreshnessOptions {
	/** What is listed, e.g. "the daemons of Service buildkitd"; also in the log, as `fields`. */
	readonly of: string;
	readonly fields: Readonly<Record<string, string>>;
	/** Who is asked, e.g. "the Kubernetes API". */
	readonly asked: string;
	readonly clock: Clock;
	readonly log: Logger;
}

/** How well a list is known that somebody else keeps: since when, and what is wrong where it is not. */
export class Freshness {
	readonly #options: FreshnessOptions;
	readonly #startedAt: number;
	/** Undefined until the first answer. */
	#confirmedAt: number | undefined;
	#failing = false;
	#failure: { readonly reason: string; readonly loggedAt: number };

	constructor(options: FreshnessOptions) {
		this.#options = options;
		this.#startedAt = options.clock.now();
		const reason = `${options.asked} has not answered yet`;
		this.#failure = { reason, loggedAt: Number.NEGATIVE_INFINITY };
	}

	/** How long ago the list was last known to be true; since the start when it never was. */
	get ageMs(): number {
		return this.#options.clock.now() - (this.#confirmedAt ?? this.#startedAt);
	}

	/** Not ready until the first answer: "no daemons" and "not known yet" are not the same. */
	ready(): Readiness {
		if (this.#confirmedAt !== undefined) return { ok: true };
		const reason = `${this.#options.of} are not known: ${this.#failure.reason}`;
		return { ok: false, reason };
	}

	/** The list is true now. */
	confirm(): void {
		this.#confirmedAt = this.#options.clock.now();
	}

	/** What had failed works; `listed` says of what, and how much, there is now. */
	recovered(listed: Readonly<Record<string, number>>): void {
		if (!this.#failing) return;
		this.#failing = false;
		this.#options.log.info({ ...this.#options.fields, ...listed }, "discovery works again");
	}

	failed(reason: string, listed: Readonly<Record<string, number>>): void {
		const { clock, log, fields } = this.#options;
		this.#failing = true;
		const now = clock.now();
		if (reason === this.#failure.reason && now - this.#failure.loggedAt < repeatLogMs) return;
		this.#failure = { reason, loggedAt: now };
		// What stays listed is said too: it goes on being used.
		log.warn({ ...fields, ...listed }, `discovery fails: ${reason}; it is tried again`);
	}
}
