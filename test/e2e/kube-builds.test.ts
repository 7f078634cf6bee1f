// Scenario a: the chart wakes a real buildkitd for stock clients, in a pod and outside, and it goes to sleep again.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Cluster } from "../cluster/cluster.ts";
import { buildctl } from "../helpers/build-client.ts";
import { aloneOnTheMachine } from "./helpers/alone.ts";
import { type ClientPod, startClientPod } from "./helpers/kube-clients.ts";
import { START_TIMEOUT_MS, startChartCluster } from "./helpers/kube-cluster.ts";
import { figures } from "./helpers/kube-figures.ts";
import { installRelease, type Release } from "./helpers/kube-release.ts";
import { Timeline, watchPool } from "./helpers/kube-timeline.ts";
import { observeWakes, ownShare, wakePhases } from "./helpers/kube-wake.ts";

aloneOnTheMachine();

let cluster: Cluster;
let client: ClientPod;

beforeAll(async () => {
	cluster = await startChartCluster();
	client = await startClientPod(cluster, "default");
}, START_TIMEOUT_MS);

afterAll(async () => {
	await cluster?.stop();
});

/** One cold build with its timeline: 0 -> 1 -> 0. */
async function coldBuild(release: Release, title: string, build: () => Promise<string>): Promise<string> {
	const timeline = new Timeline();
	const watching = await watchPool(cluster, release, timeline);
	try {
		timeline.mark("client started");
		const output = await build();
		timeline.mark("build succeeded");
		await release.asleep();
		timeline.print(title);
		const replicas = timeline.moments.map(({ what }) => what).filter((what) => what.startsWith("replicas"));
		expect(replicas).toEqual(["replicas 0 -> 1", "replicas 1 -> 0"]);
		return output;
	} finally {
		watching.close();
	}
}

async function fromOutside(address: string): Promise<string> {
	const build = buildctl(address);
	const code = await build.exited;
	expect(code, build.output).toBe(0);
	return build.output;
}

test.concurrent.each([
	{ name: "stateful", kind: "StatefulSet", values: {} },
	// One volume for one pod: that is how a Deployment keeps its cache.
	{ name: "deployed", kind: "Deployment", values: { autoscaling: { maxReplicas: 1 } } },
] as const)(
	"a $kind wakes for a build and sleeps after it, and its volume keeps the cache",
	async (options) => {
		const release = await installRelease(cluster, options);
		const inside = () => client.build(release.insideAddress, { step: `echo ${options.name}` });
		const first = await coldBuild(release, `${options.kind}, first cold build, from a pod by name`, inside);
		expect(first).not.toContain("CACHED");
		const second = await coldBuild(release, `${options.kind}, second cold build, from a pod by name`, inside);
		expect(second).toMatch(/CACHED/);
		await coldBuild(release, `${options.kind}, cold build from outside by ClusterIP`, () =>
			fromOutside(release.outsideAddress),
		);
	},
);

test("ten wakes: from accept to the daemon's first byte, by phase", async () => {
	const values = { autoscaling: { cooldownSeconds: 1 } };
	const release = await installRelease(cluster, { name: "waking", values });
	const observer = await observeWakes(cluster, release);
	try {
		// The first one also makes the volume.
		await observer.wake();
		const timelines: Timeline[] = [];
		for (let wake = 0; wake < 10; wake++) timelines.push(await observer.wake());
		timelines.at(-1)?.print("one of the wakes");
		const between = (from: string, to: string) =>
			figures(
				timelines.map((timeline) => (timeline.at(to) ?? Number.NaN) - (timeline.at(from) ?? Number.NaN)),
			);
		const lines = wakePhases.map(([phase, moment], index) => {
			const { p50, max } = between(wakePhases[index - 1]?.[1] ?? "accepted", moment);
			return `  ${phase.padEnd(18)} p50 ${String(p50).padStart(5)} ms  max ${String(max).padStart(5)} ms`;
		});
		const total = between("accepted", "assigned on the bus");
		process.stderr.write(
			`accept to first daemon byte, ${timelines.length} wakes\n${lines.join("\n")}\n` +
				`  in all             p50 ${String(total.p50).padStart(5)} ms  max ${String(total.max).padStart(5)} ms\n`,
		);
		const own = figures(timelines.map(ownShare));
		process.stderr.write(`  of which ours      p50 ${own.p50} ms  max ${own.max} ms\n`);
		// The rest is the machine's, mostly containerd's and kubelet's.
		expect(own.p50).toBeLessThan(60);
		expect(total.p50).toBeLessThan(2_000);
	} finally {
		await observer.close();
	}
});
