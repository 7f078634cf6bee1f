import type { Readiness } from "../../../common/admin.ts";
import { type Backoff, backoffDelayMs } from "../../../common/backoff.ts";
import type { Clock, Timer } from "../../../common/clock.ts";
import { Freshness } from "../../../common/freshness.ts";
import { Listeners } from "../../../common/listeners.ts";
import type { Logger } from "../../../common/log.ts";
import type { Daemon, DaemonSource } from "../../daemon.ts";
import { maxRecords } from "./dns-daemons.ts";
import { describeDnsFailure } from "./dns-failure.ts";
import type { DnsDaemons } from "./dns-lookup.ts";

export interface DnsSourceDeps {
	/** Rejects with anything when it cannot be known. */
	readonly lookup: { resolve(signal: AbortSignal): Promise<DnsDaemons> };
	readonly clock: Clock;
	readonly log: Logger;
}

/** From the end of one look to the next: what a build waits for is looked for at once, what left is no hurry. */
const hurriedMs = 500;
const unhurriedMs = 5_000;
/** A look with many targets to look up included. */
const lookTimeoutMs = 10_000;
const hurriedRetry: Backoff = { firstMs: 200, maxMs: 1_000 };
const unhurriedRetry: Backoff = { firstMs: 200, maxMs: 10_000 };

/**
 * The daemons behind a name in DNS. It asks again and again, more often while somebody waits; records' TTLs are of no
 * matter, as the servers' caches obey them already. No records is an answer, and usual for a pool that sleeps; no
 * answer leaves the last list as it is.
 */
export class DnsSource implements DaemonSource {
	readonly #name: string;
	readonly #deps: DnsSourceDeps;
	readonly #changes = new Listeners<[]>();
	readonly #ended = new AbortController();
	readonly #freshness: Freshness;
	#daemons: readonly Daemon[] = [];
	#hurried = false;
	#failures = 0;
	/** Undefined while a look is on its way. */
	#next: Timer | undefined;
	#last = { endedAt: 0, tookMs: 0 };
	#tooMany = false;

	constructor(name: string, deps: DnsSourceDeps) {
		this.#name = name;
		this.#deps = deps;
		const { clock, log } = deps;
		this.#freshness = new Freshness({
			of: `the daemons of DNS name ${name}`,
			fields: { name },
			asked: "DNS",
			clock,
			log,
		});
		void this.#look();
	}

	get daemons(): readonly Daemon[] {
		return this.#daemons;
	}

	onChange(listener: () => void): () => void {
		return this.#changes.add(listener);
	}

	ready(): Readiness {
		return this.#freshness.ready();
	}

	get ageMs(): number {
		return this.#freshness.ageMs;
	}

	hurry(waiting: boolean): void {
		if (waiting === this.#hurried) return;
		this.#hurried = waiting;
		if (this.#next === undefined) return;
		this.#next.cancel();
		this.#schedule();
	}

	/** Keeps the list as it is and asks no more. */
	close(): void {
		this.#ended.abort();
		this.#next?.cancel();
	}

	async #look(): Promise<void> {
		const { clock, lookup } = this.#deps;
		this.#next = undefined;
		const startedAt = clock.now();
		const timeout = new AbortController();
		const timer = clock.after(lookTimeoutMs, () => timeout.abort(silence()));
		try {
			const found = await lookup.resolve(AbortSignal.any([timeout.signal, this.#ended.signal]));
			if (this.#ended.signal.aborted) return;
			this.#failures = 0;
			this.#freshness.confirm();
			this.#found(found);
			this.#freshness.recovered({ daemons: this.#daemons.length });
		} catch (thrown) {
			if (this.#ended.signal.aborted) return;
			this.#failures++;
			this.#freshness.failed(describeDnsFailure(thrown, this.#name), { daemons: this.#daemons.length });
		} finally {
			timer.cancel();
		}
		const endedAt = clock.now();
		this.#last = { endedAt, tookMs: endedAt - startedAt };
		this.#schedule();
	}

	#schedule(): void {
		const { clock } = this.#deps;
		// A pool so large, or a server so slow, that a look takes long is asked half of the time at most.
		const pauseMs = Math.max(this.#pauseMs(), this.#last.tookMs);
		const delayMs = Math.max(0, this.#last.endedAt + pauseMs - clock.now());
		this.#next = clock.after(delayMs, () => void this.#look());
	}

	#pauseMs(): number {
		if (this.#failures > 0) {
			return backoffDelayMs(this.#hurried ? hurriedRetry : unhurriedRetry, this.#failures);
		}
		return this.#hurried ? hurriedMs : unhurriedMs;
	}

	#found({ daemons, records }: DnsDaemons): void {
		const { log } = this.#deps;
		const name = this.#name;
		const tooMany = records > maxRecords;
		if (tooMany && !this.#tooMany) log.warn({ name, records }, `only ${maxRecords} records are used`);
		this.#tooMany = tooMany;
		if (JSON.stringify(daemons) === JSON.stringify(this.#daemons)) return;
		this.#daemons = daemons;
		log.info({ name, daemons: daemons.length }, "daemons changed");
		this.#changes.emit();
	}
}

function silence(): Error {
	return Object.assign(new Error("no answer in time"), { code: "ETIMEOUT" });
}
