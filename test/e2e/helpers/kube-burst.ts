import { expect } from "vitest";
import type { Cluster } from "../../cluster/cluster.ts";
import { buildContext, buildctl } from "../../helpers/build-client.ts";
import type { CliProcess } from "../../helpers/cli-process.ts";
import { installRelease } from "./kube-release.ts";
import { Timeline, watchPool } from "./kube-timeline.ts";

/** Ends when all have; each must have succeeded. */
export async function allSucceed(builds: readonly CliProcess[], timeline: Timeline): Promise<void> {
	await Promise.all(
		builds.map(async (build, index) => {
			const code = await build.exited;
			timeline.mark(`build ${index + 1} of ${builds.length} ${code === 0 ? "succeeded" : "FAILED"}`);
			expect(code, build.output).toBe(0);
		}),
	);
}

/**
 * Eight builds at once, two to a daemon: four daemons by the HPA, or at once by the scaler, no build fails, then none.
 * Gives what the replicas were, one after the other, and when four were wanted and ran, in ms after the clients' start.
 */
export async function burst(cluster: Cluster, name: string, scaler: object) {
	const values = {
		pool: { buildsPerDaemon: 2 },
		scaler,
		daemons: { persistence: { enabled: false } },
		autoscaling: { maxReplicas: 4, scaleDown: { stabilizationSeconds: 0 } },
	};
	const release = await installRelease(cluster, { name, values });
	const timeline = new Timeline();
	const watching = await watchPool(cluster, release, timeline);
	try {
		const start = timeline.mark("eight clients started");
		// Long enough that all eight are needed at the same time.
		const context = () => buildContext("sleep 15");
		const builds = Array.from({ length: 8 }, () => buildctl(release.outsideAddress, context()));
		await allSucceed(builds, timeline);
		await release.asleep();
		timeline.print(`${name}: eight builds, capacity 2`);
		const moments = timeline.moments.map(({ what }) => what);
		const created = new RegExp(`^${name}-daemons-\\d created`);
		expect(moments.filter((what) => created.test(what))).toHaveLength(4);
		const serving = timeline.moments.filter(({ what }) => what.endsWith("running")).map(({ at }) => at);
		const four = timeline.moments.find(({ what }) => what.endsWith("-> 4"))?.at ?? Number.NaN;
		const wantedMs = four - start;
		const runMs = Math.max(...serving) - start;
		process.stderr.write(
			`${name}: four daemons are wanted ${wantedMs} ms and run ${runMs} ms after the start\n`,
		);
		const replicas = moments.flatMap((what) => /^replicas \d+ -> (\d+)$/.exec(what)?.[1] ?? []).map(Number);
		return { replicas, wantedMs, runMs };
	} finally {
		watching.close();
	}
}
