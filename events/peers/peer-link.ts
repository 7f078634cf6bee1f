import { type Backoff, backoffDelayMs } from "../../common/backoff.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import { ScalerError } from "../../common/error.ts";
import type { Logger } from "../../common/log.ts";
import { heartbeatMs } from "../schema.ts";
import { Lines } from "./lines.ts";

export interface PeerLinkDeps {
	readonly clock: Clock;
	readonly log: Logger;
	/** Told each line that the peer wrote. */
	readonly onLine: (line: Uint8Array) => void;
}

const retry: Backoff = { firstMs: 200, maxMs: 2_000 };
/** A peer says something every heartbeat; one that missed two is asked anew. */
const silentMs = 2 * heartbeatMs + 1_000;
/** As large as a message on a bus may be, with its subject. */
const maxLineBytes = 1024 * 1024 + 1_024;

/** Reads what one peer says (GET /events of its admin server), and connects again until it is closed. */
export class PeerLink {
	readonly #admin: string;
	readonly #deps: PeerLinkDeps;
	readonly #closed = new AbortController();
	#retry: Timer | undefined;
	#failures = 0;

	/** `admin`: HOST:PORT. */
	constructor(admin: string, deps: PeerLinkDeps) {
		this.#admin = admin;
		this.#deps = deps;
		void this.#run();
	}

	close(): void {
		this.#retry?.cancel();
		this.#closed.abort();
	}

	async #run(): Promise<void> {
		const { clock, log } = this.#deps;
		const admin = this.#admin;
		let why = "the peer ended the stream";
		try {
			await this.#read();
		} catch (thrown) {
			why = ScalerError.from(thrown).message;
		}
		if (this.#closed.signal.aborted) return;
		if (this.#failures++ === 0) log.info({ peer: admin, why }, "a replica cannot be heard");
		this.#retry = clock.after(backoffDelayMs(retry, this.#failures), () => void this.#run());
	}

	async #read(): Promise<void> {
		const { clock, log, onLine } = this.#deps;
		const silent = new AbortController();
		const watch = () =>
			clock.after(silentMs, () => silent.abort(new Error(`nothing was heard for ${silentMs / 1000} s`)));
		let timer = watch();
		try {
			const signal = AbortSignal.any([silent.signal, this.#closed.signal]);
			const response = await fetch(`http://${this.#admin}/events`, { signal, redirect: "error" });
			if (response.status !== 200 || response.body === null) throw new Error(`HTTP ${response.status}`);
			if (this.#failures > 0) log.info({ peer: this.#admin }, "a replica can be heard again");
			this.#failures = 0;
			const lines = new Lines(maxLineBytes, onLine);
			for await (const chunk of response.body) {
				timer.cancel();
				timer = watch();
				lines.push(chunk);
			}
		} finally {
			timer.cancel();
		}
	}
}
