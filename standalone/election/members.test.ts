import { expect, test } from "vitest";
import { formatMembers, isSameMembers, parseMembers, withMember, withoutMember } from "./members.ts";

const a = { incarnation: 1, admin: "10.0.0.1:8081" };
const b = { incarnation: 2, admin: undefined };

test("a list comes back as it was written", () => {
	expect(parseMembers(formatMembers({ a, b }))).toEqual({ a, b });
	expect(parseMembers(formatMembers({}))).toEqual({});
});

test.each([
	undefined,
	"",
	"x",
	"[]",
	'{"a":1}',
	'{"a":{"incarnation":-1}}',
	'{"a":{"incarnation":1,"admin":5}}',
])("%s is no list", (text) => {
	expect(parseMembers(text)).toBeUndefined();
});

test("a list of a megabyte is none, and a key that every object has is a name like any other", () => {
	expect(parseMembers(JSON.stringify({ ["x".repeat(250_000)]: a }))).toBeUndefined();
	expect(isSameMembers(withMember({}, "constructor", a, []), { constructor: a })).toBe(true);
});

test("members come, change, go and are the same in any order", () => {
	const both = withMember({ b }, "a", a, []);
	expect(isSameMembers(both, { a, b })).toBe(true);
	expect(isSameMembers(withMember(both, "a", { ...a, incarnation: 3 }, []), both)).toBe(false);
	expect(withMember(both, "a", a, ["b", "a"])).toEqual({ a });
	expect(withoutMember(both, "a")).toEqual({ b });
});
