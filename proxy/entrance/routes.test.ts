import { expect, test } from "vitest";
import { chooseRoute } from "./routes.ts";

const named = { serverNames: ["a.example", "b.example"] };
const domain = { serverNames: ["*.example"] };
const rest = { serverNames: [] };

test.each([
	["a.example", named],
	["b.example", named],
	["c.example", domain],
	["d.c.example", rest],
	["example", rest],
	[undefined, rest],
])("%s goes to its own, its domain's or the rest's pool", (serverName, expected) => {
	expect(chooseRoute([rest, domain, named], serverName)).toBe(expected);
});

test("without a pool for the rest, a strange name has none", () => {
	expect(chooseRoute([named], "c.example")).toBeUndefined();
	expect(chooseRoute([named], undefined)).toBeUndefined();
});
