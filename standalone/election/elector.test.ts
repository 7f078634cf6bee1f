import { expect, test } from "vitest";
import { ScalerError } from "../../common/error.ts";
import { createLogger } from "../../common/log.ts";
import { ManualClock } from "../../test/helpers/manual-clock.ts";
import { StoredLease } from "../../test/helpers/stored-lease.ts";
import { electionTimes } from "./election.ts";
import { Elector } from "./elector.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));

function cast() {
	const clock = new ManualClock();
	const stored = new StoredLease();
	/** Moves time on in steps that let promises run. */
	const pass = async (ms: number) => {
		for (let passed = 0; passed < ms; passed += 500) {
			clock.advance(500);
			await settled();
		}
	};
	const join = async (id: string, gone: () => readonly string[] = () => []) => {
		const api = stored.api();
		const elector = new Elector({
			id,
			self: { incarnation: 1, admin: `${id}:8081` },
			api,
			clock,
			log: createLogger("silent"),
			times: electionTimes,
			gone,
		});
		elector.start();
		await settled();
		return { elector, api };
	};
	return { clock, stored, pass, join };
}

const away = new ScalerError("KUBERNETES_FAILED", "the Kubernetes API answered 503");

test("the first leads, all know all, and who comes next leads when the first leaves, without a wait", async () => {
	const { stored, pass, join } = cast();
	const a = await join("a");
	const b = await join("b");
	expect(a.elector.term).toBeDefined();
	expect(b.elector.term).toBeUndefined();
	await pass(2_000);
	expect(Object.keys(a.elector.members ?? {}).toSorted()).toEqual(["a", "b"]);
	expect(a.elector.members).toEqual(b.elector.members);
	// A follower writes once, when it comes.
	await pass(60_000);
	expect(b.api.writes).toBe(1);

	const term = a.elector.term;
	await a.elector.stop();
	expect(term?.aborted).toBe(true);
	expect(stored.lease).toMatchObject({ holder: undefined, members: { b: { incarnation: 1 } } });
	await pass(2_000);
	expect(b.elector.term).toBeDefined();
	expect(Object.keys(b.elector.members ?? {})).toEqual(["b"]);
	await b.elector.stop();
	expect(stored.lease.members).toEqual({});
});

test("a leader that cannot renew stops by itself after 10 s, and another one leads after 15", async () => {
	const { pass, join } = cast();
	const a = await join("a");
	const b = await join("b");
	await pass(2_000);
	const term = a.elector.term;
	let changes = 0;
	a.elector.onChange(() => changes++);
	a.api.fails = away;
	await pass(9_500);
	expect(term?.aborted).toBe(false);
	await pass(500);
	expect(term?.aborted).toBe(true);
	expect([changes, a.elector.term, a.elector.trouble]).toEqual([1, undefined, away.message]);
	expect(b.elector.term).toBeUndefined();
	await pass(9_000);
	expect(b.elector.term).toBeDefined();
	a.api.fails = undefined;
	await pass(4_000);
	expect([a.elector.term, a.elector.trouble]).toEqual([undefined, undefined]);
	expect(b.elector.term).toBeDefined();
});

test("a replica is in nobody's list while it cannot write, and the leader takes out who is gone", async () => {
	const { stored, pass, join } = cast();
	let dead: readonly string[] = [];
	const a = await join("a", () => dead);
	stored.lease = {
		...stored.lease,
		members: { ...stored.lease.members, dead: { incarnation: 1, admin: undefined } },
	};
	await pass(2_000);
	expect(Object.keys(a.elector.members ?? {})).toEqual(["dead", "a"]);
	dead = ["dead"];
	await pass(2_000);
	expect(Object.keys(a.elector.members ?? {})).toEqual(["a"]);
	expect(Object.keys(stored.lease.members)).toEqual(["a"]);
	const late = await join("late");
	expect(late.elector.members).toBeDefined();

	const other = cast();
	const deaf = await other.join("deaf");
	expect(deaf.elector.members).toBeDefined();
	const never = new Elector({
		id: "never",
		self: { incarnation: 1, admin: undefined },
		api: Object.assign(other.stored.api(), { fails: away }),
		clock: other.clock,
		log: createLogger("silent"),
		times: electionTimes,
		gone: () => [],
	});
	never.start();
	await other.pass(60_000);
	expect([never.members, never.term, never.trouble]).toEqual([undefined, undefined, away.message]);
});

test("two that write at once both get what they want: a conflict is read anew at once", async () => {
	const { stored, join } = cast();
	const [a, b] = await Promise.all([join("a"), join("b")]);
	expect([a, b].filter(({ elector }) => elector.term !== undefined)).toHaveLength(1);
	expect(Object.keys(stored.lease.members).toSorted()).toEqual(["a", "b"]);
});
