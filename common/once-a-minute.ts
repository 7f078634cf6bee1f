import type { Clock } from "./clock.ts";

const minuteMs = 60_000;
/** Beyond this the oldest is forgotten: kinds may come from outside. */
const maxKinds = 100;

/** Lets through the first of each kind, and then one a minute: for log lines that somebody else can cause. */
export class OnceAMinute {
	readonly #clock: Clock;
	/** By kind. */
	readonly #said = new Map<string, { readonly at: number; keptBack: number }>();

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Undefined: keep it back. Else how many were kept back since the last one that was let through. */
	admit(kind: string): number | undefined {
		const now = this.#clock.now();
		const last = this.#said.get(kind);
		if (last !== undefined && now - last.at < minuteMs) {
			last.keptBack++;
			return undefined;
		}
		this.#said.delete(kind);
		this.#said.set(kind, { at: now, keptBack: 0 });
		for (const oldest of this.#said.keys()) {
			if (this.#said.size <= maxKinds) break;
			this.#said.delete(oldest);
		}
		return last?.keptBack ?? 0;
	}
}
