import { expect, test } from "vitest";
import { buildctl, buildx } from "../helpers/build-client.ts";
import { startLocalProcess } from "../helpers/local-process.ts";

/** The client's output, once it has built on a pool whose daemons start that much later. */
async function buildAfter(wakeDelay: string, client: typeof buildctl): Promise<void> {
	const local = await startLocalProcess("--wake-delay", wakeDelay);
	const build = client(local.address);
	expect(await build.exited, build.output).toBe(0);
	const [, waited] = await local.process.line(/first byte after (\S+ \S+)/);
	console.log(`${client.name} with a wake of ${wakeDelay}: first byte after ${waited}`);
	// One connection, so it was the first try. Its end is noticed in its own time.
	await expect.poll(() => local.metrics()).toMatch(/closed_total\{.*reason="clientClosed"\} 1\n/);
}

// A raw hold fails buildctl after 20 s and buildx after 40 s (grpc-go's minConnectTimeout); ours has no limit.
test("the first try succeeds, however long the wake takes: 60 s with both clients, 300 s with buildctl", async () => {
	await Promise.all([buildAfter("60s", buildctl), buildAfter("60s", buildx), buildAfter("300s", buildctl)]);
});
