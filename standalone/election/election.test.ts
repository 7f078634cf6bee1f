import fc from "fast-check";
import { expect, test } from "vitest";
import {
	afterRead,
	afterTaken,
	type ElectionState,
	type ElectionTimes,
	electionTimes,
	held,
	leads,
	newcomer,
	released,
} from "./election.ts";
import { type Lease, noLease } from "./lease.ts";

const times = electionTimes;

/** A lease as `holder` renewed it. */
function lease(holder: string | undefined, renewedAt: number, transitions = 0): Lease {
	return {
		...noLease,
		holder,
		durationMs: times.leaseMs,
		renewTime: new Date(renewedAt),
		transitions,
		version: "1",
	};
}

test("a lease that is not there, or that nobody holds, is taken; one of ours is renewed", () => {
	expect(afterRead(newcomer, noLease, "a", 0, times).take).toBe(true);
	expect(afterRead(newcomer, lease(undefined, 0), "a", 0, times).take).toBe(true);
	// From before our last start.
	expect(afterRead(newcomer, lease("a", 0), "a", 0, times).take).toBe(true);
	expect(afterRead(afterTaken(0), lease("a", 0), "a", 2_000, times).take).toBe(true);
});

test("somebody else's lease is taken when it was not renewed for its duration, by our own clock", () => {
	const first = afterRead(newcomer, lease("b", 1), "a", 100_000, times);
	expect(first.take).toBe(false);
	const early = afterRead(first.state, lease("b", 1), "a", 114_999, times);
	expect(early.take).toBe(false);
	expect(afterRead(early.state, lease("b", 1), "a", 115_000, times).take).toBe(true);
	const renewed = afterRead(early.state, lease("b", 2), "a", 114_999, times);
	expect(afterRead(renewed.state, lease("b", 2), "a", 115_000, times).take).toBe(false);
	// Its holder may have a longer one in mind than we.
	const long = { ...lease("b", 1), durationMs: 60_000 };
	const seen = afterRead(newcomer, long, "a", 0, times);
	expect(afterRead(seen.state, long, "a", 59_999, times).take).toBe(false);
	expect(afterRead(seen.state, long, "a", 60_000, times).take).toBe(true);
});

test("what a follower writes into the object is no renewal", () => {
	const first = afterRead(newcomer, lease("b", 1), "a", 0, times);
	const joined = { ...lease("b", 1), version: "2", members: { c: { incarnation: 1, admin: undefined } } };
	expect(afterRead(first.state, joined, "a", 15_000, times).take).toBe(true);
});

test("who leads stops by itself at the renewal deadline, and at once when somebody else holds the lease", () => {
	const leader = afterTaken(1_000);
	expect(leads(leader, 10_999, times)).toBe(true);
	expect(leads(leader, 11_000, times)).toBe(false);
	const lost = afterRead(leader, lease("b", 1), "a", 2_000, times);
	expect(lost.take).toBe(false);
	expect(leads(lost.state, 2_000, times)).toBe(false);
	expect(leads(newcomer, 0, times)).toBe(false);
});

test("the record is as client-go writes it", () => {
	const first = held(noLease, "a", 5_000, times);
	expect(first).toMatchObject({
		holder: "a",
		durationMs: 15_000,
		transitions: 0,
		renewTime: new Date(5_000),
	});
	const stored = { ...first, version: "1" };
	const again = held(stored, "a", 7_000, times);
	expect(again).toMatchObject({ acquireTime: new Date(5_000), renewTime: new Date(7_000), transitions: 0 });
	expect(held(stored, "b", 9_000, times)).toMatchObject({
		holder: "b",
		acquireTime: new Date(9_000),
		transitions: 1,
	});
	expect(released(stored, "a").holder).toBeUndefined();
	expect(released(stored, "b").holder).toBe("a");
});

/** One look at the lease, as it goes wrong or not. Times in ms. */
interface Look {
	readonly after: number;
	readonly readTakes: number;
	readonly writeArrives: number;
	readonly answerTakes: number;
	readonly fails: "nothing" | "read" | "write" | "answer";
}

const look: fc.Arbitrary<Look> = fc.record({
	after: fc.oneof(fc.constant(2_000), fc.nat(20_000)),
	readTakes: fc.oneof(fc.nat(100), fc.nat(20_000)),
	writeArrives: fc.oneof(fc.nat(100), fc.nat(20_000)),
	answerTakes: fc.oneof(fc.nat(100), fc.nat(20_000)),
	fails: fc.constantFrom("nothing", "nothing", "nothing", "read", "write", "answer"),
});

interface Replica {
	state: ElectionState;
	readonly offset: number;
	readonly looks: Look[];
}

/**
 * Replicas with clocks of their own before one API server, whose answers take as long as they like. Tells every
 * moment, in true time, from which and until which a replica may act.
 */
function simulate(
	plans: readonly { offset: number; looks: readonly Look[] }[],
	rules: ElectionTimes,
	decideWith = afterRead,
) {
	let stored: Lease = noLease;
	let version = 0;
	const terms: { id: string; from: number; to: number }[] = [];
	const events: { at: number; run: () => void }[] = [];
	const at = (time: number, run: () => void) => void events.push({ at: time, run });
	plans.forEach((plan, index) => {
		const id = `r${index}`;
		const replica: Replica = { state: newcomer, offset: plan.offset, looks: [...plan.looks] };
		const own = (now: number) => now + replica.offset;
		const term = () => terms.findLast((one) => one.id === id);
		const next = (now: number) => {
			const one = replica.looks.shift();
			if (one === undefined) return;
			at(now + one.after, () => read(now + one.after, one));
		};
		const read = (now: number, one: Look) => {
			const seen = stored;
			const answered = now + one.readTakes;
			at(answered, () => {
				if (one.fails === "read") return next(answered);
				const { state, take } = decideWith(replica.state, seen, id, own(answered), rules);
				replica.state = state;
				const last = term();
				// A follower by its own word acts no more.
				if (state.t === "follower" && last !== undefined) last.to = Math.min(last.to, answered);
				if (!take) return next(answered);
				const written = held(seen, id, own(answered), rules);
				if (one.fails === "write") return next(answered);
				at(answered + one.writeArrives, () => {
					const arrived = answered + one.writeArrives;
					const isTaken = stored.version === written.version;
					if (isTaken) stored = { ...written, version: `${++version}` };
					const back = arrived + one.answerTakes;
					at(back, () => {
						if (isTaken && one.fails !== "answer") {
							replica.state = afterTaken(own(answered));
							const to = answered + rules.renewDeadlineMs;
							if (leads(replica.state, own(back), rules)) terms.push({ id, from: back, to });
						}
						next(back);
					});
				});
			});
		};
		next(0);
	});
	while (events.length > 0) {
		events.sort((a, b) => a.at - b.at);
		events.shift()?.run();
	}
	return terms;
}

function overlaps(terms: readonly { id: string; from: number; to: number }[]): boolean {
	return terms.some((a) => terms.some((b) => a.id !== b.id && a.from < b.to && b.from < a.to));
}

const plans = fc.array(
	fc.record({
		offset: fc.integer({ min: -1_000_000, max: 1_000_000 }),
		looks: fc.array(look, { maxLength: 40 }),
	}),
	{ minLength: 2, maxLength: 4 },
);

test("law: whatever is late or lost, and however clocks are set, at most one leads", () => {
	let changes = 0;
	fc.assert(
		fc.property(plans, (of) => {
			const terms = simulate(of, times);
			changes += new Set(terms.map(({ id }) => id)).size > 1 ? 1 : 0;
			expect(overlaps(terms)).toBe(false);
		}),
		{ numRuns: 2_000 },
	);
	// Else it would prove nothing.
	expect(changes).toBeGreaterThan(20);
});

test("the law notices leaders that stop too late, and followers that believe the holder's clock", () => {
	const late = { ...times, renewDeadlineMs: 40_000 };
	const tooLate = fc.check(
		fc.property(plans, (of) => !overlaps(simulate(of, late))),
		{ numRuns: 5_000 },
	);
	expect(tooLate.failed).toBe(true);
	const believes: typeof afterRead = (state, seen, self, now, rules) => {
		if (seen.holder === self || seen.holder === undefined) return { state, take: true };
		const isOver = now - (seen.renewTime?.getTime() ?? 0) >= rules.leaseMs;
		return { state: { t: "follower", seen: undefined }, take: isOver };
	};
	const believed = fc.check(
		fc.property(plans, (of) => !overlaps(simulate(of, times, believes))),
		{ numRuns: 5_000 },
	);
	expect(believed.failed).toBe(true);
});
