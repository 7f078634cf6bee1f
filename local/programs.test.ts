import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { findProgram, programPath } from "./programs.ts";

function folder(): string {
	const dir = mkdtempSync(join(tmpdir(), "programs-"));
	onTestFinished(() => rmSync(dir, { recursive: true }));
	return dir;
}

test("finds the first executable file of that name", () => {
	const [notExecutable, aFolder, right, late] = [folder(), folder(), folder(), folder()];
	writeFileSync(join(notExecutable, "tool"), "");
	mkdirSync(join(aFolder, "tool"));
	for (const dir of [right, late]) {
		writeFileSync(join(dir, "tool"), "");
		chmodSync(join(dir, "tool"), 0o755);
	}
	const path = [notExecutable, aFolder, right, late].join(delimiter);
	expect(findProgram("tool", path)).toBe(join(right, "tool"));
	expect(findProgram("other", path)).toBeUndefined();
});

test("looks on PATH first, last in what npm run tools built", () => {
	const path = programPath().split(delimiter);
	expect(path[0]).toBe((process.env["PATH"] ?? "").split(delimiter)[0]);
	expect(path.at(-1)).toBe(join(import.meta.dirname, "..", ".tools", "bin"));
});
