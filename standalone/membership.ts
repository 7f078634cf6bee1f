import { leaseMs } from "../events/schema.ts";
import type { PoolRecord } from "../scaler/ledger.ts";
import type { Member, Members } from "./election/lease.ts";

interface Listed extends Member {
	/** `Clock.now` when it was first in the list. */
	readonly at: number;
}

/**
 * Which replicas there are, and whether each was heard. One that is in the list and says nothing may carry builds, so that
 * what the others say is not the whole demand.
 */
export class Membership {
	readonly #self: string;
	readonly #absentAfterMs: number;
	#listed: ReadonlyMap<string, Listed> = new Map();

	constructor(self: string, absentAfterMs: number) {
		this.#self = self;
		this.#absentAfterMs = absentAfterMs;
	}

	/**
	 * The list as it is now. Returns who is no longer in it: it took itself out when its last build was over, or was taken out
	 * as one that had been silent for so long that it does not count.
	 */
	update(members: Members, now: number): readonly string[] {
		const before = this.#listed;
		const others = Object.entries(members).filter(([id]) => id !== this.#self);
		this.#listed = new Map(
			others.map(([id, member]) => {
				const known = before.get(id);
				const isSame = known?.incarnation === member.incarnation && known.admin === member.admin;
				return [id, isSame ? known : { ...member, at: now }];
			}),
		);
		return [...before.keys()].filter((id) => !this.#listed.has(id));
	}

	/** Whether the list has nobody else. */
	get isAlone(): boolean {
		return this.#listed.size === 0;
	}

	/** HOST:PORT of the others, where they can be read. */
	get admins(): readonly string[] {
		return [...this.#listed.values()].flatMap(({ admin }) => admin ?? []);
	}

	/** One that may have builds of which nothing is known; undefined: all was heard. */
	silent(record: PoolRecord | undefined, now: number): string | undefined {
		for (const [id, listed] of this.#listed) {
			const { heardAt, hasLeft } = heardOf(record, id, listed);
			if (hasLeft || this.#isAbsent(listed, heardAt, now)) continue;
			if (heardAt === undefined || now - heardAt > leaseMs) return id;
		}
		return undefined;
	}

	/** Those that can be taken out of the list: they said goodbye, or have been silent for too long. */
	gone(record: PoolRecord | undefined, now: number): readonly string[] {
		return [...this.#listed].flatMap(([id, listed]) => {
			const { heardAt, hasLeft } = heardOf(record, id, listed);
			return hasLeft || this.#isAbsent(listed, heardAt, now) ? [id] : [];
		});
	}

	#isAbsent({ at }: Listed, heardAt: number | undefined, now: number): boolean {
		return now - Math.max(heardAt ?? at, at) >= this.#absentAfterMs;
	}
}

/** What an earlier life of it said is no word of this one. */
function heardOf(
	record: PoolRecord | undefined,
	id: string,
	{ incarnation }: Member,
): { readonly heardAt: number | undefined; readonly hasLeft: boolean } {
	const word = record?.words.get(id);
	const goodbye = record?.goodbyes.get(id);
	const heardAt = word?.incarnation === incarnation ? word.receivedAt : undefined;
	return { heardAt, hasLeft: heardAt === undefined && goodbye?.incarnation === incarnation };
}
