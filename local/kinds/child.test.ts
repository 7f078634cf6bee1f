import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readIdentity } from "../identity-file.ts";
import { identifyProcess } from "../processes.ts";
import { groupSignals, startChild } from "./child.ts";

let dir: string;
beforeEach(() => {
	dir = mkdtempSync(join(tmpdir(), "child-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const files = () => ({
	logFile: join(dir, "log"),
	pidFile: join(dir, "pid"),
	path: process.env["PATH"] ?? "",
});
const sh = (script: string) => startChild({ program: "sh", args: ["-c", script], ...files() }, groupSignals);

test("tells how it ended, and the end of what it said", async () => {
	writeFileSync(join(dir, "log"), "from an earlier run\n");
	const child = sh("for i in 1 2 3 4 5 6 7; do echo line $i >&2; done; exit 3");
	expect(await child.exit).toEqual({
		how: "exit code 3",
		lastLines: ["line 3", "line 4", "line 5", "line 6", "line 7"],
	});
	expect(readFileSync(join(dir, "log"), "utf8")).not.toContain("earlier");
});

test("its pid file is there while it runs, and it leads a process group", async () => {
	const child = sh("cat; sleep 60");
	const identity = readIdentity(join(dir, "pid"));
	expect(identity).toEqual(identifyProcess(identity?.pid ?? 0));
	const stat = readFileSync(`/proc/${identity?.pid}/stat`, "utf8");
	expect(Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2])).toBe(identity?.pid);
	child.kill();
	expect((await child.exit).how).toBe("SIGKILL");
	expect(existsSync(join(dir, "pid"))).toBe(false);
	// Harmless once it is gone, whoever has the pid by then.
	child.terminate();
	child.kill();
});

test("a program that is not there ends at once, and says so", async () => {
	const child = startChild({ program: join(dir, "nothing"), args: [], ...files() }, groupSignals);
	expect((await child.exit).how).toContain("ENOENT");
	child.kill();
});

test("a log that cannot be written is DAEMON_START_FAILED", () => {
	const start = () => startChild({ program: "true", args: [], ...files(), logFile: dir }, groupSignals);
	expect(start).toThrowError(expect.objectContaining({ code: "DAEMON_START_FAILED" }));
});
