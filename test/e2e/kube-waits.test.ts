// Scenarios b and c, side by side: many clients at once, and a wake that takes a minute. Nobody fails, everybody waits.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Cluster } from "../cluster/cluster.ts";
import { pauseImage } from "../cluster/images/pause.ts";
import { buildContext, buildctl, buildx } from "../helpers/build-client.ts";
import type { CliProcess } from "../helpers/cli-process.ts";
import { aloneOnTheMachine } from "./helpers/alone.ts";
import { START_TIMEOUT_MS, startChartCluster } from "./helpers/kube-cluster.ts";
import { installRelease } from "./helpers/kube-release.ts";
import { Timeline, watchPool } from "./helpers/kube-timeline.ts";

aloneOnTheMachine();

let cluster: Cluster;

beforeAll(async () => {
	cluster = await startChartCluster();
}, START_TIMEOUT_MS);

afterAll(async () => {
	await cluster?.stop();
});

/** Ends when all have; each must have succeeded. */
async function allSucceed(builds: readonly CliProcess[], timeline: Timeline): Promise<void> {
	await Promise.all(
		builds.map(async (build, index) => {
			const code = await build.exited;
			timeline.mark(`build ${index + 1} of ${builds.length} ${code === 0 ? "succeeded" : "FAILED"}`);
			expect(code, build.output).toBe(0);
		}),
	);
}

test.concurrent("eight builds at once, two to a daemon: four daemons by the HPA, no build fails, then none", async () => {
	const values = {
		pool: { buildsPerDaemon: 2 },
		daemons: { persistence: { enabled: false } },
		autoscaling: { maxReplicas: 4, scaleDown: { stabilizationSeconds: 0 } },
	};
	const release = await installRelease(cluster, { name: "burst", values });
	const timeline = new Timeline();
	const watching = await watchPool(cluster, release, timeline);
	try {
		const start = timeline.mark("eight clients started");
		// Long enough that all eight are needed at the same time.
		const context = () => buildContext("sleep 15");
		const builds = Array.from({ length: 8 }, () => buildctl(release.outsideAddress, context()));
		await allSucceed(builds, timeline);
		await release.asleep();
		timeline.print("burst: eight builds, capacity 2");
		const moments = timeline.moments.map(({ what }) => what);
		expect(moments.filter((what) => /^burst-daemons-\d created/.test(what))).toHaveLength(4);
		const serving = timeline.moments.filter(({ what }) => what.endsWith("running")).map(({ at }) => at);
		process.stderr.write(
			`burst: four daemons run ${Math.max(...serving) - start} ms after the clients' start\n`,
		);
	} finally {
		watching.close();
	}
});

test.concurrent("a wake that takes a minute: ten clients at once, buildctl and buildx, succeed at the first try", async () => {
	// It ends at SIGTERM: the daemon that the install itself starts must go soon.
	const minute = ["/bin/sh", "-c", "trap 'exit 1' TERM; sleep 60 & wait $!"];
	const slow = { name: "slow", image: pauseImage, command: minute };
	const values = {
		pool: { buildsPerDaemon: 10 },
		daemons: { initContainers: [slow], persistence: { enabled: false } },
		autoscaling: { maxReplicas: 2 },
	};
	const release = await installRelease(cluster, { name: "slow", values });
	const timeline = new Timeline();
	const watching = await watchPool(cluster, release, timeline);
	try {
		const started = timeline.mark("five buildctl and five buildx started");
		const clients = Array.from({ length: 10 }, (_, index) =>
			(index % 2 === 0 ? buildctl : buildx)(release.outsideAddress),
		);
		await allSucceed(clients, timeline);
		const first = timeline.moments.find(({ what }) => what.endsWith("succeeded"));
		// Or the init container did not do what it is there for.
		expect((first?.at ?? 0) - started).toBeGreaterThan(60_000);
		await release.asleep();
		timeline.print("a wake of a minute, ten clients at once");
	} finally {
		watching.close();
	}
});
