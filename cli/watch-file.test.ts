import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ManualClock } from "../test/helpers/manual-clock.ts";
import { watchFile } from "./watch-file.ts";

test("a file is seen to change by writing and by a symlink's swap, and not when it is away", () => {
	const folder = mkdtempSync(join(tmpdir(), "bks-watch-"));
	onTestFinished(() => rmSync(folder, { recursive: true }));
	const at = (name: string) => join(folder, name);
	const link = (target: string) => {
		symlinkSync(target, at("new"));
		renameSync(at("new"), at("config"));
	};
	writeFileSync(at("1"), "one");
	link("1");
	const clock = new ManualClock();
	let changes = 0;
	const watch = watchFile(at("config"), clock, () => changes++);
	const after = (change: () => void) => {
		change();
		clock.advance(5_000);
		return changes;
	};
	expect(after(() => {})).toBe(0);
	expect(after(() => writeFileSync(at("1"), "two"))).toBe(1);
	expect(after(() => rmSync(at("1")))).toBe(1);
	expect(after(() => writeFileSync(at("2"), "three"))).toBe(1);
	expect(after(() => link("2"))).toBe(2);
	watch.cancel();
	expect(clock.pending).toBe(0);
});
