import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { errorCodes } from "../../common/error.ts";
import { closeReasons } from "../../events/schema.ts";

const documentation = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");

/** The first cells of the table under a heading. */
function documented(heading: string): string[] {
	const [, section = ""] = documentation.split(`## ${heading}\n`);
	const [untilNext = ""] = section.split("\n## ");
	return [...untilNext.matchAll(/^\| *(\w+) *\|/gm)].flatMap(([, cell = ""]) => cell).slice(1);
}

describe("docs/errors.md", () => {
	test("has exactly the error codes there are", () => {
		expect(documented("Error codes")).toEqual([...errorCodes]);
	});

	test("has exactly the reasons there are", () => {
		expect(documented("How connections end").toSorted()).toEqual([...closeReasons].toSorted());
	});
});
