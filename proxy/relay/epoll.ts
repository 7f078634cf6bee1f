import { getSystemErrorName } from "node:util";
import type { SystemCalls } from "./system-calls.ts";

/** What is waited for, and what has come (epoll_ctl(2)). Errors and hangups come unasked. */
export const epollIn = 0x1;
export const epollOut = 0x4;

const operations = { add: 1, remove: 2, change: 3 } as const;
const maxEvents = 256;

/** `struct epoll_event` in 32-bit words: packed on x86-64, and nowhere else (sys/epoll.h). */
const layout = process.arch === "x64" ? { words: 3, id: 1 } : { words: 4, id: 2 };

/** Waits for many sockets at once. */
export class Epoll {
	readonly #calls: SystemCalls;
	readonly #fd: number;
	readonly #events = new Uint32Array(maxEvents * layout.words);
	readonly #event = new Uint32Array(layout.words);
	readonly #eventsAddress: bigint;
	readonly #eventAddress: bigint;

	constructor(calls: SystemCalls) {
		this.#calls = calls;
		this.#fd = calls.epollCreate();
		this.#eventsAddress = calls.addressOf(this.#events);
		this.#eventAddress = calls.addressOf(this.#event);
	}

	/**
	 * Waits for these from now on, instead of `before`; what comes is said of `id`. Nothing at all is waited for with 0.
	 * Throws when the system does not let it wait.
	 */
	change(fd: number, id: number, before: number, wanted: number): void {
		this.#event[0] = wanted;
		this.#event[layout.id] = id;
		const operation = before === 0 ? operations.add : wanted === 0 ? operations.remove : operations.change;
		const result = this.#calls.epollControl(this.#fd, operation, fd, this.#eventAddress);
		if (result < 0 && wanted !== 0) throw new Error(`epoll_ctl: ${getSystemErrorName(result)}`);
	}

	/** Waits at most so long, and calls `ready` for each that something has come for, and with what. */
	wait(timeoutMs: number, ready: (id: number, events: number) => void): void {
		const count = this.#calls.epollWait(this.#fd, this.#eventsAddress, maxEvents, timeoutMs);
		for (let at = 0; at < count * layout.words; at += layout.words)
			ready(this.#events[at + layout.id] ?? 0, this.#events[at] ?? 0);
	}
}
