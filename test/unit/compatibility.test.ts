import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { documentPath, renderDocument } from "../compat/document.ts";

test("docs/compatibility.md is what `npm run compat` expects, and has seen if it passed", () => {
	expect(readFileSync(documentPath, "utf8")).toBe(renderDocument());
});
