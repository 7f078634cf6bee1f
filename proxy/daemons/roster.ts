import type { DaemonSource } from "../daemon.ts";
import { DaemonEntry } from "./daemon-entry.ts";

/** The daemons of a pool: those that its source lists, and those that are gone but for their last connections. */
export class Roster {
	readonly entries = new Map<string, DaemonEntry>();
	readonly #changed: (draining: readonly string[]) => void;
	#source: DaemonSource;
	#unsubscribe: () => void;

	/** `changed` is called after each change of the source, with the names of the daemons that began to drain. */
	constructor(source: DaemonSource, changed: (draining: readonly string[]) => void) {
		this.#changed = changed;
		this.#source = source;
		this.#unsubscribe = this.#subscribe();
		this.#read();
	}

	get source(): DaemonSource {
		return this.#source;
	}

	/** Takes the daemons from another source from now on. */
	use(source: DaemonSource): void {
		if (source === this.#source) return;
		this.#unsubscribe();
		this.#source = source;
		this.#unsubscribe = this.#subscribe();
		this.#changed(this.#read());
	}

	/** Whether there is a daemon that takes builds, full or not. */
	get isUp(): boolean {
		for (const { draining, reachability, assigned } of this.entries.values()) {
			if (!draining && (reachability.t === "answering" || assigned.size > 0)) return true;
		}
		return false;
	}

	/** Forgets those that are not listed any more and have no connection left. */
	forgetGone(): void {
		for (const [name, entry] of this.entries) {
			if (!entry.listed && entry.assigned.size === 0) this.entries.delete(name);
		}
	}

	close(): void {
		this.#unsubscribe();
		for (const entry of this.entries.values()) entry.forget();
	}

	#subscribe(): () => void {
		return this.#source.onChange(() => this.#changed(this.#read()));
	}

	#read(): string[] {
		const listed = new Map(this.#source.daemons.map((daemon) => [daemon.name, daemon]));
		const draining: string[] = [];
		for (const [name, entry] of this.entries) {
			if (listed.has(name)) continue;
			entry.listed = false;
			entry.forget();
		}
		for (const [name, daemon] of listed) {
			const entry = this.entries.get(name);
			if (entry === undefined) {
				this.entries.set(name, new DaemonEntry(daemon));
				continue;
			}
			const moved = JSON.stringify(entry.daemon.address) !== JSON.stringify(daemon.address);
			if (moved || !entry.listed) entry.forget();
			const drains = daemon.draining && !entry.daemon.draining;
			if (entry.daemon.draining && !daemon.draining) entry.unmarkDraining();
			entry.daemon = daemon;
			entry.listed = true;
			if (!drains) continue;
			entry.abortDials();
			draining.push(name);
		}
		return draining;
	}
}
