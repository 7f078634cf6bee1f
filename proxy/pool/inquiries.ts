import type { Clock } from "../../common/clock.ts";
import type { Connection } from "../connection/connection.ts";
import type { DaemonEntry } from "../daemons/daemon-entry.ts";

/**
 * Questions about the pool (`buildx ls`) on their way to a daemon: one that is awake answers, or we do, soon. They come
 * after every build, and are no demand.
 */
export class Inquiries {
	readonly #pending = new Set<Connection>();
	readonly #daemons: ReadonlyMap<string, DaemonEntry>;
	readonly #clock: Clock;
	readonly #answerWithinMs: number;

	constructor(daemons: ReadonlyMap<string, DaemonEntry>, clock: Clock, answerWithinMs: number) {
		this.#daemons = daemons;
		this.#clock = clock;
		this.#answerWithinMs = answerWithinMs;
	}

	get size(): number {
		return this.#pending.size;
	}

	[Symbol.iterator](): Iterator<Connection> {
		return this.#pending.values();
	}

	/** Takes one in; `dialDaemons` starts the connects that it is worth. */
	ask(connection: Connection, dialDaemons: () => void): void {
		this.#pending.add(connection);
		dialDaemons();
		// Every daemon that may be awake is being asked; none of them is no reason to let the user wait.
		const asked = [...this.#daemons.values()].some(({ dials }) => dials.size > 0);
		if (!asked) return this.answerWithoutDaemon(connection);
		this.#clock.after(this.#answerWithinMs, () => {
			if (this.#pending.has(connection)) this.answerWithoutDaemon(connection);
		});
	}

	/** It got a daemon, or left; false when it is not here. */
	delete(connection: Connection): boolean {
		return this.#pending.delete(connection);
	}

	answerWithoutDaemon(connection: Connection): void {
		const awake = [...this.#daemons.values()].some(({ active }) => active > 0);
		const why = awake ? "all daemons of this pool are busy" : "this pool is asleep";
		connection.fail("noWake", `buildkit-scaler: ${why}; a build starts a daemon, this command does not`);
	}
}
