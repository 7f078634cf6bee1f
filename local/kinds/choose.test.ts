import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openStateDirectory, type StateDirectory } from "../state-directory.ts";
import { chooseKind } from "./choose.ts";

let state: StateDirectory;
beforeEach(() => {
	state = openStateDirectory(mkdtempSync(join(tmpdir(), "choose-")), 1);
});
afterEach(() => rmSync(state.path, { recursive: true }));

test("auto on a machine with nothing: simulated, and why", async () => {
	const { kind, notes } = await chooseKind("auto", state, 1, "");
	expect(kind.t).toBe("simulated");
	expect(notes).toEqual([
		expect.stringContaining("cannot run buildkitd here"),
		expect.stringContaining("cannot run daemons in docker"),
	]);
});

test.each(["buildkitd", "docker"] as const)("asked for by name, a missing %s is an error", async (choice) => {
	await expect(chooseKind(choice, state, 1, "")).rejects.toThrowError(
		expect.objectContaining({ code: "DAEMON_START_FAILED" }),
	);
});
