import { describe, expect, test } from "vitest";
import { Ledger } from "../scaler/ledger.ts";
import { poolKey } from "../scaler/pool-key.ts";
import { type EventParts, poolEvent } from "../test/helpers/pool-event.ts";
import { Membership } from "./membership.ts";

const absentAfterMs = 600_000;
const key = poolKey({ namespace: "default", pool: "default" });
const member = (incarnation: number, admin = "10.0.0.2:8081") => ({ incarnation, admin });

/** Us and `b`, which the list has since 0. */
function withB(incarnation = 5) {
	const ledger = new Ledger();
	const membership = new Membership("a", absentAfterMs);
	membership.update({ a: member(1, "10.0.0.1:8081"), b: member(incarnation) }, 0);
	const says = (now: number, parts: EventParts = {}) =>
		ledger.record(poolEvent({ proxy: "b", incarnation, sequence: now, ...parts }), now);
	return {
		membership,
		says,
		silent: (now: number) => membership.silent(ledger.get(key), now),
		gone: (now: number) => membership.gone(ledger.get(key), now),
	};
}

test("the others are read where they say, we ourselves are not", () => {
	const { membership } = withB();
	expect(membership.admins).toEqual(["10.0.0.2:8081"]);
	expect(membership.isAlone).toBe(false);
	expect(membership.update({ a: member(1), c: { incarnation: 1, admin: undefined } }, 1)).toEqual(["b"]);
	expect(membership.admins).toEqual([]);
	expect(membership.update({ a: member(1) }, 2)).toEqual(["c"]);
	expect(membership.isAlone).toBe(true);
});

describe("a replica in the list", () => {
	test("is silent until it is heard, and again when its lease is over", () => {
		const { says, silent } = withB();
		expect(silent(0)).toBe("b");
		says(1_000);
		expect(silent(16_000)).toBeUndefined();
		expect(silent(16_001)).toBe("b");
		says(20_000);
		expect(silent(20_000)).toBeUndefined();
	});

	test("counts no longer when it was not heard for absentAfter, since its last word or since it was listed", () => {
		const never = withB();
		expect(never.silent(absentAfterMs - 1)).toBe("b");
		expect(never.gone(absentAfterMs - 1)).toEqual([]);
		expect(never.silent(absentAfterMs)).toBeUndefined();
		expect(never.gone(absentAfterMs)).toEqual(["b"]);
		const once = withB();
		once.says(1_000);
		expect(once.silent(absentAfterMs)).toBe("b");
		expect(once.gone(absentAfterMs + 1_000)).toEqual(["b"]);
	});

	test("that says goodbye is gone at once; what an earlier life of it said is no word of this one", () => {
		const left = withB();
		left.says(1_000);
		left.says(2_000, { type: "proxy.stopped" });
		expect(left.silent(60_000)).toBeUndefined();
		expect(left.gone(2_000)).toEqual(["b"]);
		const again = withB(9);
		again.says(1_000, { incarnation: 5 });
		expect(again.silent(1_000)).toBe("b");
		again.says(1_500, { incarnation: 5, type: "proxy.stopped", sequence: 9_000 });
		expect(again.silent(1_500)).toBe("b");
		expect(again.gone(1_500)).toEqual([]);
	});

	test("that starts anew is a new one, with all its time", () => {
		const { membership, silent } = withB();
		membership.update({ a: member(1), b: member(6) }, absentAfterMs);
		expect(silent(absentAfterMs)).toBe("b");
		// The same list once more changes nothing.
		membership.update({ a: member(1), b: member(6) }, absentAfterMs + 1_000);
		expect(silent(2 * absentAfterMs)).toBeUndefined();
	});
});
