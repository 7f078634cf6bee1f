import { getSystemErrorName } from "node:util";
import { Worker } from "node:worker_threads";
import { unreachable } from "../../common/error.ts";
import { type Command, Counts, type Report } from "./messages.ts";
import { SystemCalls } from "./system-calls.ts";

/** Numbers begin again after the largest that the thread's epoll can tell apart. */
const maxId = 2 ** 32 - 1;

/** In development Node runs the source, else what was made of it. */
const thread = import.meta.url.endsWith(".ts")
	? new URL("./relay-thread.ts", import.meta.url)
	: new URL("./relay-thread.js", import.meta.url);

/** What becomes of a socket that the relay has. */
export interface RelayedEvents {
	/** The peer has ended its direction. */
	readonly onEnd: () => void;
	/** It is gone. `error` is set when it did not end in peace. Called once, last. */
	readonly onClose: (error: Error | undefined) => void;
}

/** A socket that the relay has. */
export interface Relayed {
	/** Since it has it. */
	readonly bytesRead: number;
	readonly pendingBytes: number;
	/** Ends the writing direction after everything that is pending. */
	end(): void;
	/** Ends both directions at once. */
	destroy(): void;
}

/** Why there can be none here. */
interface NoRelay {
	readonly reason: string;
}

interface Taken {
	readonly fd: number;
	readonly events: RelayedEvents;
}

/**
 * Passes bytes on in a thread of its own, past Node's streams and its event loop: most of what a small message costs in
 * Node is not our code, and what thousands of clients that arrive keep the event loop busy with is nothing to a build that
 * runs. Commands go there as messages, and a descriptor that its epoll waits for tells it to look.
 */
export class Relay {
	readonly #calls: SystemCalls;
	readonly #worker: Worker;
	readonly #bell: number;
	readonly #taken = new Map<number, Taken>();
	readonly #onFault: (what: string) => void;
	readonly #ready = Promise.withResolvers<void>();
	#lastId = 0;
	#state: "starting" | "running" | "over" = "starting";

	private constructor(calls: SystemCalls, onFault: (what: string) => void) {
		this.#calls = calls;
		this.#onFault = onFault;
		this.#bell = calls.eventDescriptor();
		// What Node was told for the process (a profiler, a module to load first) is not meant for the thread.
		const options = { workerData: this.#bell, name: "relay", execArgv: [] };
		this.#worker = new Worker(thread, options);
		this.#worker.on("message", (report: Report) => this.#heard(report));
		this.#worker.on("error", (error: unknown) => onFault(String(error)));
		this.#worker.on("exit", () => this.#over());
		// It is no reason for the process to go on. Last, as who listens to it is one.
		this.#worker.unref();
		// It waits in a system call, and Node waits for it.
		process.once("exit", () => this.stop());
	}

	/** Resolves once it takes sockets. */
	get ready(): Promise<void> {
		return this.#ready.promise;
	}

	/** How many it passes on between, whole or half gone. */
	get connections(): number {
		return Math.ceil(this.#taken.size / 2);
	}

	/** Starts the thread; or says why there can be none here. */
	static start(onFault: (what: string) => void): Relay | NoRelay {
		const calls = SystemCalls.load();
		return calls instanceof SystemCalls ? new Relay(calls, onFault) : calls;
	}

	/**
	 * Takes over two sockets, and passes on between them from now on. Their descriptors are duplicated: the caller closes
	 * its own and reads them no more. Undefined, and nothing has happened, when it cannot now.
	 */
	take(
		fds: readonly [number, number],
		events: readonly [RelayedEvents, RelayedEvents],
	): readonly [Relayed, Relayed] | undefined {
		if (this.#state !== "running") return;
		const copies = fds.map((fd) => this.#calls.duplicate(fd));
		const [one = -1, other = -1] = copies;
		if (one < 0 || other < 0) {
			for (const fd of copies) if (fd >= 0) this.#calls.close(fd);
			return;
		}
		const counts = Counts.share();
		const ends = [
			{ id: this.#nextId(), fd: one },
			{ id: this.#nextId(), fd: other },
		] as const;
		this.#taken.set(ends[0].id, { fd: one, events: events[0] });
		this.#taken.set(ends[1].id, { fd: other, events: events[1] });
		this.#tell({ t: "take", ends, counts });
		return [
			this.#relayed(ends[0].id, new Counts(counts, 0)),
			this.#relayed(ends[1].id, new Counts(counts, 1)),
		];
	}

	/** Ends the thread, and with it every connection that it has. */
	stop(): void {
		this.#tell({ t: "stop" });
	}

	#nextId(): number {
		this.#lastId = (this.#lastId % maxId) + 1;
		return this.#lastId;
	}

	#relayed(id: number, counts: Counts): Relayed {
		return {
			get bytesRead() {
				return counts.bytesRead;
			},
			get pendingBytes() {
				return counts.pendingBytes;
			},
			end: () => this.#tell({ t: "end", id }),
			destroy: () => this.#tell({ t: "destroy", id }),
		};
	}

	#tell(command: Command): void {
		if (this.#state === "over") return;
		this.#worker.postMessage(command);
		this.#calls.signal(this.#bell);
	}

	#heard(report: Report): void {
		switch (report.t) {
			case "ready":
				this.#state = "running";
				this.#ready.resolve();
				return;
			case "ended":
				this.#taken.get(report.id)?.events.onEnd();
				return;
			case "closed": {
				const taken = this.#taken.get(report.id);
				this.#taken.delete(report.id);
				taken?.events.onClose(report.errno === 0 ? undefined : systemError(report.errno));
				return;
			}
			case "fault":
				this.#onFault(report.stack);
				return;
			default:
				return unreachable(report);
		}
	}

	/** The thread is gone, and with it whoever would pass on: these connections end, and the next ones do without it. */
	#over(): void {
		this.#state = "over";
		const taken = [...this.#taken.values()];
		this.#taken.clear();
		for (const { fd } of taken) this.#calls.close(fd);
		for (const { events } of taken) events.onClose(new Error("the relay's thread is gone"));
	}
}

function systemError(errno: number): Error {
	const code = getSystemErrorName(-errno);
	return Object.assign(new Error(`read ${code}`), { code });
}

let started: Relay | NoRelay | undefined;

/** Starts the process's relay, unless it has one; or says why there can be none. `onFault` hears of faults of ours. */
export function startRelay(onFault: (what: string) => void): Relay | NoRelay {
	started ??= Relay.start(onFault);
	return started;
}

/** The process's, if it has one. */
export function processRelay(): Relay | undefined {
	return started instanceof Relay ? started : undefined;
}
