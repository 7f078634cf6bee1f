import { describe, expect, test } from "vitest";
import { buildctl, buildx } from "../helpers/build-client.ts";
import { startLocalProcess } from "../helpers/local-process.ts";

// A raw hold fails buildctl after 20 s and buildx after 40 s (grpc-go's minConnectTimeout); ours has no limit.
describe.concurrent("the first try succeeds, however long the wake takes", () => {
	test.each([
		["buildctl", "60s", buildctl],
		["buildx", "60s", buildx],
		["buildctl", "300s", buildctl],
	])("%s with a wake of %s", async (_name, wakeDelay, client) => {
		const local = await startLocalProcess("--wake-delay", wakeDelay);
		const build = client(local.address);
		expect(await build.exited, build.output).toBe(0);
		const waited = await local.process.line(/first byte after (\S+ \S+)/);
		console.log(`${client.name} with a wake of ${wakeDelay}: first byte after ${waited[1]}`);
		const state = await local.metrics();
		expect(state).toContain(
			'buildkit_proxy_connections_closed_total{namespace="default",pool="default",reason="clientClosed"} 1',
		);
	});
});
