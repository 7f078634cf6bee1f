import type { Clock, Timer } from "../../common/clock.ts";
import { ScalerError } from "../../common/error.ts";
import { Listeners } from "../../common/listeners.ts";
import type { Logger } from "../../common/log.ts";
import { isConflict } from "../../kubernetes/api-error.ts";
import {
	afterRead,
	afterTaken,
	type ElectionState,
	type ElectionTimes,
	held,
	leads,
	newcomer,
	released,
} from "./election.ts";
import type { Lease, LeaseApi, Member, Members } from "./lease.ts";
import { isSameMembers, withMember, withoutMember } from "./members.ts";

export interface ElectorOptions {
	/** Unique among replicas, the same after a restart. */
	readonly id: string;
	readonly self: Member;
	readonly api: LeaseApi;
	readonly clock: Clock;
	readonly log: Logger;
	readonly times: ElectionTimes;
	/** Members that have been silent for so long that they are taken out of the list. */
	readonly gone: () => readonly string[];
}

const notRead = "the Lease was not read yet";
/** Requests for the lease: a leader has several in its renewal deadline. */
const requestMs = 4_000;
/** Somebody else wrote at the same moment: at once again, so many times. */
const maxConflicts = 3;

/** Takes part in an election, and in the list of all who do. */
export class Elector {
	readonly #options: ElectorOptions;
	readonly #changed = new Listeners<[]>();
	#state: ElectionState = newcomer;
	/** Ends with our leadership. */
	#term: AbortController | undefined;
	#deadline: Timer | undefined;
	#timer: Timer | undefined;
	#round: Promise<void> = Promise.resolve();
	#members: Members | undefined;
	#trouble: string | undefined = notRead;
	#stopped = false;

	constructor(options: ElectorOptions) {
		this.#options = options;
	}

	/** Aborted when we lead no longer, or may not know; undefined: we do not lead. */
	get term(): AbortSignal | undefined {
		const { clock, times } = this.#options;
		return leads(this.#state, clock.now(), times) ? this.#term?.signal : undefined;
	}

	/** All replicas, ourselves too; undefined: we are not in the list yet, so nobody knows of us. */
	get members(): Members | undefined {
		return this.#members;
	}

	/** Why the last look at the lease failed. */
	get trouble(): string | undefined {
		return this.#trouble;
	}

	/** Called when `term` or `members` changed. */
	onChange(listener: () => void): () => void {
		return this.#changed.add(listener);
	}

	start(): void {
		this.#next();
	}

	/** Leaves the list, and the lease to whoever comes next. What was done as the leader is to be over. */
	async stop(): Promise<void> {
		if (this.#stopped) return;
		this.#stopped = true;
		this.#timer?.cancel();
		await this.#round;
		this.#endTerm();
		const { id, api, log } = this.#options;
		for (let tries = 0; tries <= maxConflicts; tries++) {
			try {
				const lease = await api.read(AbortSignal.timeout(requestMs));
				if (lease.version === undefined) return;
				const left = { ...released(lease, id), members: withoutMember(lease.members, id) };
				await api.write(left, AbortSignal.timeout(requestMs));
				return;
			} catch (thrown) {
				const error = ScalerError.from(thrown);
				if (isConflict(error)) continue;
				log.warn({ error: error.message }, "the Lease is not left in good order: it ends by itself");
				return;
			}
		}
	}

	#next(): void {
		this.#round = this.#take();
		void this.#round.then(() => {
			if (this.#stopped) return;
			this.#timer = this.#options.clock.after(this.#options.times.retryMs, () => this.#next());
		});
	}

	async #take(): Promise<void> {
		const { log } = this.#options;
		try {
			for (let tries = 0; ; tries++) {
				try {
					await this.#readAndWrite();
					break;
				} catch (thrown) {
					if (!isConflict(ScalerError.from(thrown)) || tries >= maxConflicts) throw thrown;
				}
			}
			if (this.#trouble !== undefined && this.#trouble !== notRead)
				log.info("the Lease can be read and written");
			this.#trouble = undefined;
		} catch (thrown) {
			const { message } = ScalerError.from(thrown);
			if (this.#trouble !== message) log.warn({ error: message }, "election");
			this.#trouble = message;
		}
	}

	async #readAndWrite(): Promise<void> {
		const { id, self, api, clock, times, gone } = this.#options;
		const lease = await api.read(AbortSignal.timeout(requestMs));
		if (this.#stopped) return;
		const { state, take } = afterRead(this.#state, lease, id, clock.now(), times);
		if (state.t === "follower") this.#follow(state);
		const dead = take ? gone().filter((other) => other in lease.members) : [];
		const members = withMember(lease.members, id, self, dead);
		if (take || !isSameMembers(members, lease.members)) {
			const written: Lease = { ...(take ? held(lease, id, clock.wallTime(), times) : lease), members };
			const sentAt = clock.now();
			await api.write(written, AbortSignal.timeout(requestMs));
			if (take) this.#lead(afterTaken(sentAt), lease.holder);
		}
		const isNew = this.#members === undefined || !isSameMembers(this.#members, members);
		this.#members = members;
		if (isNew) this.#changed.emit();
	}

	#lead(state: ElectionState, before: string | undefined): void {
		this.#state = state;
		this.#deadline?.cancel();
		const { clock, times, log, id } = this.#options;
		const term = this.#term;
		if (state.t !== "leader") return;
		const restMs = state.renewedAt + times.renewDeadlineMs - clock.now();
		this.#deadline = clock.after(restMs, () => this.#endTerm());
		if (term !== undefined) return;
		log.info({ before: before === id ? "ourselves" : before }, "this replica leads");
		this.#term = new AbortController();
		this.#changed.emit();
	}

	#follow(state: ElectionState): void {
		this.#endTerm();
		this.#state = state;
	}

	#endTerm(): void {
		this.#deadline?.cancel();
		const term = this.#term;
		if (term === undefined) return;
		this.#term = undefined;
		this.#options.log.info("this replica leads no longer");
		term.abort(new Error("this replica leads no longer"));
		this.#changed.emit();
	}
}
