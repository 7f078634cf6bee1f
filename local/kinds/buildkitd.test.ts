import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { buildkitdArgs, findBuildkitd } from "./buildkitd.ts";

let dir: string;
beforeEach(() => {
	dir = mkdtempSync(join(tmpdir(), "path-"));
});
afterEach(() => {
	vi.restoreAllMocks();
	rmSync(dir, { recursive: true });
});

function install(...names: string[]): void {
	for (const name of names) {
		writeFileSync(join(dir, name), "");
		chmodSync(join(dir, name), 0o755);
	}
}

describe("findBuildkitd", () => {
	const failure = (words: string) =>
		expect.objectContaining({ code: "DAEMON_START_FAILED", message: expect.stringContaining(words) });

	test("names what is missing", () => {
		expect(() => findBuildkitd(dir)).toThrowError(failure("buildkitd is not on PATH"));
		install("buildkitd");
		expect(() => findBuildkitd(dir)).toThrowError(failure("runc is not on PATH"));
		install("runc");
		expect(() => findBuildkitd(dir)).toThrowError(failure("unshare is not on PATH"));
	});

	test("needs root, and says what helps", () => {
		install("buildkitd", "runc", "unshare");
		vi.spyOn(process, "getuid").mockReturnValue(1_000);
		expect(() => findBuildkitd(dir)).toThrowError(failure("sudo, or run this command inside rootlesskit"));
		vi.spyOn(process, "getuid").mockReturnValue(0);
		expect(findBuildkitd(dir).runc).toBe(join(dir, "runc"));
	});
});

test("buildkitd is the first process of its own namespace, on a unix socket", () => {
	expect(buildkitdArgs("/bin/buildkitd", "unix:///s/run/0.sock", "/s/daemons/0").join(" ")).toBe(
		"--pid --fork --kill-child --mount-proc --propagation slave -- /bin/buildkitd --addr unix:///s/run/0.sock " +
			"--root /s/daemons/0 --oci-worker=true --oci-worker-net=host --containerd-worker=false",
	);
});
