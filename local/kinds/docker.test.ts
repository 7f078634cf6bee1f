import { expect, test } from "vitest";
import { containerName, dockerRunArgs, findDocker } from "./docker.ts";

test("runs a privileged container in the foreground, reachable from this machine only, with its cache kept", () => {
	expect(dockerRunArgs("buildkit-scaler-12345678-0", 40_001).join(" ")).toBe(
		"run --rm --privileged --name buildkit-scaler-12345678-0 --publish 127.0.0.1:40001:1234 " +
			"--volume buildkit-scaler-12345678-0:/var/lib/buildkit moby/buildkit:v0.33.1 --addr tcp://0.0.0.0:1234",
	);
});

test("a container is named after its state directory, so that a later run finds it", () => {
	expect(containerName("/a", 0)).toMatch(/^buildkit-scaler-[0-9a-f]{8}-0$/);
	expect(containerName("/a", 0)).toBe(containerName("/a", 0));
	expect(containerName("/a", 0)).not.toBe(containerName("/b", 0));
});

test("without docker it says so", async () => {
	await expect(findDocker("")).rejects.toThrowError(
		expect.objectContaining({ code: "DAEMON_START_FAILED", message: expect.stringContaining("docker") }),
	);
});
