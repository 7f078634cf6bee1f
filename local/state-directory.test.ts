import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../common/clock.ts";
import { readIdentity, writeIdentity } from "./identity-file.ts";
import { endLeftovers } from "./leftovers.ts";
import { identifyProcess, isAlive } from "./processes.ts";
import { maxSocketPathBytes, openStateDirectory } from "./state-directory.ts";

let dir: string;
beforeEach(() => {
	dir = mkdtempSync(join(tmpdir(), "local-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe("openStateDirectory", () => {
	test("creates what it needs, for its owner only", () => {
		const state = openStateDirectory(join(dir, "state"), 2);
		expect(statSync(join(state.path, "run")).mode & 0o777).toBe(0o700);
		expect(state.socket(1)).toBe(join(dir, "state", "run", "1.sock"));
		state.release();
	});

	test("refuses a path whose sockets would be too long, to the byte", () => {
		const longest = (bytes: number) => join(dir, "x".repeat(bytes - dir.length - "//run/9.sock".length));
		openStateDirectory(longest(maxSocketPathBytes), 10).release();
		expect(() => openStateDirectory(longest(maxSocketPathBytes), 11)).toThrowError(
			expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining("1 bytes") }),
		);
	});

	test("refuses a path that cannot be a folder", () => {
		writeFileSync(join(dir, "file"), "");
		expect(() => openStateDirectory(join(dir, "file"), 1)).toThrowError(
			expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining("state-dir") }),
		);
	});

	test("a second one on the same folder is refused while the first lives, and names it", () => {
		const state = openStateDirectory(dir, 1);
		const refusal = expect.objectContaining({
			code: "STATE_DIR_IN_USE",
			message: expect.stringContaining(`process ${process.pid}`),
		});
		expect(() => openStateDirectory(dir, 1)).toThrowError(refusal);
		state.release();
		openStateDirectory(dir, 1).release();
		expect(existsSync(join(dir, "lock"))).toBe(false);
	});

	test.each([
		{ why: "a process that is gone", lock: `{"pid":4194303,"startTime":"1"}` },
		{ why: "an earlier process with the same pid", lock: `{"pid":${process.pid},"startTime":"1"}` },
		{ why: "nobody, being garbage", lock: "garbage" },
	])("takes over the lock of $why", ({ lock }) => {
		writeFileSync(join(dir, "lock"), lock);
		const state = openStateDirectory(dir, 1);
		expect(readIdentity(join(dir, "lock"))?.pid).toBe(process.pid);
		state.release();
	});
});

describe("readIdentity", () => {
	test.each(["", "null", "[]", `{"pid":-1,"startTime":"1"}`, `{"pid":1,"startTime":"1"}`, `{"pid":"5"}`])(
		"%j is none",
		(content) => {
			writeFileSync(join(dir, "x"), content);
			expect(readIdentity(join(dir, "x"))).toBeUndefined();
		},
	);
});

describe("endLeftovers", () => {
	/** A daemon in a process group of its own, as kinds/child.ts starts them. */
	async function startDaemon(script: string) {
		const child = spawn("sh", ["-c", `${script}; echo started; read line`], {
			detached: true,
			stdio: ["pipe", "pipe", "ignore"],
		});
		await once(child.stdout, "data");
		const exited = once(child, "exit");
		return { pid: child.pid!, identity: identifyProcess(child.pid!)!, exited };
	}

	test("ends what still lives, with its children, and removes the pid files", async () => {
		const daemon = await startDaemon("trap '' TERM; sleep 60 & true");
		writeIdentity(join(dir, "buildkitd-0.json"), daemon.identity);
		writeIdentity(join(dir, "buildkitd-1.json"), { pid: 4_194_303, startTime: "1" });
		expect(await endLeftovers(dir, systemClock)).toBe(1);
		expect(isAlive(daemon.identity)).toBe(false);
		expect(await daemon.exited).toEqual([null, "SIGKILL"]);
		expect(existsSync(join(dir, "buildkitd-0.json"))).toBe(false);
		expect(existsSync(join(dir, "buildkitd-1.json"))).toBe(false);
	});

	test("leaves alone who got the pid later", async () => {
		const stranger = await startDaemon("true");
		writeIdentity(join(dir, "buildkitd-0.json"), { pid: stranger.pid, startTime: "1" });
		expect(await endLeftovers(dir, systemClock)).toBe(0);
		expect(isAlive(stranger.identity)).toBe(true);
		process.kill(-stranger.pid, "SIGKILL");
		await stranger.exited;
	});
});
