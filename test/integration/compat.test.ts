// A small part of `npm run compat`: today's buildctl and buildkitd in every TLS mode, with a short hold.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { runBuild } from "../compat/build.ts";
import { modes, newestDaemon } from "../compat/cells.ts";
import { Pools } from "../compat/pools.ts";
import { Cleanup } from "../helpers/cleanup.ts";
import { startNatsServer } from "../helpers/nats-server.ts";
import { workFolder } from "../helpers/work-folder.ts";

const holdSeconds = 2;

test("a build waits for its daemon in plaintext, in TLS that ends at the proxy and in TLS that passes", async () => {
	const cleanup = new Cleanup();
	onTestFinished(() => cleanup.run());
	const folder = workFolder(cleanup);
	const nats = await startNatsServer();
	cleanup.add(() => nats.kill());
	const pools = await Pools.start(cleanup, { versions: [newestDaemon], folder, natsUrl: nats.url });
	const client = { kind: "buildctl", version: newestDaemon } as const;
	const builds = modes.map((mode) => {
		const cell = { row: { client, daemon: newestDaemon }, column: { mode, holdSeconds, waits: false } };
		return runBuild(client, pools.target(cell), folder);
	});
	// The hold itself.
	await sleep(holdSeconds * 1_000);
	await pools.withDaemons({ group: "short" }, async () => {
		for (const build of builds) {
			const { ok, output, seconds } = await build;
			expect(ok, output).toBe(true);
			expect(seconds).toBeGreaterThan(holdSeconds);
		}
	});
}, 60_000);
