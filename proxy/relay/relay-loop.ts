import { unreachable } from "../../common/error.ts";
import { Direction } from "./direction.ts";
import { Epoll, epollIn } from "./epoll.ts";
import { KernelPipes } from "./kernel-pipe.ts";
import { type Command, Counts, type Report } from "./messages.ts";
import { restMs } from "./read-pacing.ts";
import { RelaySocket, type RelaySocketOwner } from "./relay-socket.ts";
import { errno, type SystemCalls } from "./system-calls.ts";

/** Without anything to do; whoever wants something wakes it. */
const idleMs = 1_000;
/** No socket has this number. */
const commandId = 0;

interface Inbox {
	/** Can be read when there is a command. */
	readonly fd: number;
	/** The next one. */
	readonly next: () => Command | undefined;
}

/** Passes bytes on between the sockets of many connections, one thread for all. */
export class RelayLoop {
	readonly #calls: SystemCalls;
	readonly #inbox: Inbox;
	readonly #report: (report: Report) => void;
	readonly #epoll: Epoll;
	readonly #pipes: KernelPipes;
	readonly #owner: RelaySocketOwner;
	readonly #sockets = new Map<number, RelaySocket>();
	/** Until when; in the order in which they are over. */
	readonly #rests = new Map<RelaySocket, number>();
	#stopped = false;

	constructor(calls: SystemCalls, inbox: Inbox, report: (report: Report) => void) {
		this.#calls = calls;
		this.#inbox = inbox;
		this.#report = report;
		this.#epoll = new Epoll(calls);
		this.#pipes = KernelPipes.of(calls);
		this.#owner = {
			calls,
			await: ({ end }, before, wanted) => this.#epoll.change(end.fd, end.id, before, wanted),
			rests: (socket) => {
				this.#rests.delete(socket);
				this.#rests.set(socket, performance.now() + restMs);
			},
			ended: ({ end }) => report({ t: "ended", id: end.id }),
			closed: ({ end }, failed) => {
				this.#sockets.delete(end.id);
				report({ t: "closed", id: end.id, errno: failed });
			},
		};
		this.#epoll.change(inbox.fd, commandId, 0, epollIn);
	}

	/** Returns when it is told to stop. */
	run(): void {
		this.#report({ t: "ready" });
		const ready = (id: number, events: number) => this.#ready(id, events);
		while (!this.#stopped) {
			this.#epoll.wait(this.#patienceMs(), ready);
			this.#wakeRested();
		}
	}

	#ready(id: number, events: number): void {
		if (id === commandId) return this.#takeCommands();
		this.#with(id, (socket) => socket.ready(events));
	}

	#takeCommands(): void {
		this.#calls.hush(this.#inbox.fd);
		for (let command = this.#inbox.next(); command !== undefined; command = this.#inbox.next())
			this.#obey(command);
	}

	#obey(command: Command): void {
		switch (command.t) {
			case "take":
				return this.#take(command);
			case "end":
				return this.#with(command.id, (socket) => socket.endSending());
			case "destroy":
				return this.#with(command.id, (socket) => socket.close());
			case "stop":
				this.#stopped = true;
				return;
			default:
				return unreachable(command);
		}
	}

	#take({ ends, counts }: Extract<Command, { t: "take" }>): void {
		const there = new Direction(this.#calls, this.#pipes);
		const back = new Direction(this.#calls, this.#pipes);
		const one = new RelaySocket(ends[0], new Counts(counts, 0), { out: there, in: back }, this.#owner);
		const other = new RelaySocket(ends[1], new Counts(counts, 1), { out: back, in: there }, this.#owner);
		this.#sockets.set(ends[0].id, one).set(ends[1].id, other);
		this.#guard(one, () => RelaySocket.join(one, other));
	}

	/** Nothing, when it is gone. */
	#with(id: number, run: (socket: RelaySocket) => void): void {
		const socket = this.#sockets.get(id);
		if (socket !== undefined) this.#guard(socket, run);
	}

	/** A fault in the handling of one connection must not end the builds on all others. */
	#guard(socket: RelaySocket, run: (socket: RelaySocket) => void): void {
		try {
			run(socket);
		} catch (thrown) {
			this.#report({ t: "fault", stack: thrown instanceof Error ? `${thrown.stack}` : String(thrown) });
			socket.close(errno.io);
		}
	}

	#patienceMs(): number {
		for (const until of this.#rests.values()) return Math.max(Math.ceil(until - performance.now()), 0);
		return idleMs;
	}

	#wakeRested(): void {
		if (this.#rests.size === 0) return;
		const now = performance.now();
		for (const [socket, until] of this.#rests) {
			if (until > now) return;
			this.#rests.delete(socket);
			this.#guard(socket, (it) => it.rested());
		}
	}
}
