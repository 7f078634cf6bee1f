// Daemons that are taken away while builds are on them, by somebody who knows nothing of builds; that come all at once; and
// that never come.

import { setTimeout as sleep } from "node:timers/promises";
import type { V1ResourceQuota } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ProxyState } from "../../../proxy/observe/state.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import { aloneOnTheMachine } from "../../helpers/alone.ts";
import { buildContext, buildctl } from "../../helpers/build-client.ts";
import type { CliProcess } from "../../helpers/cli-process.ts";
import { burst } from "../helpers/kube-burst.ts";
import { START_TIMEOUT_MS, startChartCluster, stopChartCluster } from "../helpers/kube-cluster.ts";
import {
	installRelease,
	type Release,
	type ReleaseOptions,
	upgradeRelease,
} from "../helpers/kube-release.ts";
import { until } from "../helpers/kube-until.ts";

aloneOnTheMachine();

let cluster: Cluster;

beforeAll(async () => {
	cluster = await startChartCluster();
}, START_TIMEOUT_MS);

afterAll(() => stopChartCluster(cluster));

async function install(name: string, more: Partial<ReleaseOptions> = {}): Promise<Release> {
	return await installRelease(cluster, {
		name,
		...more,
		values: {
			...more.values,
			pool: { buildsPerDaemon: 1 },
			daemons: { persistence: { enabled: false }, drain: { quietSeconds: 3 } },
			autoscaling: { maxReplicas: 4, scaleDown: { stabilizationSeconds: 0 } },
		},
	});
}

async function scale({ namespace }: Release, workload: string, replicas: number): Promise<void> {
	await cluster.kubectl(["scale", workload, `--replicas=${replicas}`, "--namespace", namespace]);
}

/** Builds on each daemon, by all proxies. */
async function buildsByDaemon(release: Release): Promise<Record<string, number>> {
	const builds: Record<string, number> = {};
	for (const { status } of await release.pods("proxy")) {
		const answer = await fetch(`http://${status?.podIP}:8081/state`);
		const { pools } = (await answer.json()) as ProxyState;
		for (const { name, active } of pools.flatMap(({ daemons }) => daemons))
			builds[name] = (builds[name] ?? 0) + active;
	}
	return builds;
}

/** A build that runs on this daemon by now, as all below it are full. */
async function buildOn(release: Release, daemon: string, seconds: number): Promise<CliProcess> {
	const build = buildctl(release.outsideAddress, buildContext(`echo running; sleep ${seconds}`));
	await build.line(/running$/);
	expect(await buildsByDaemon(release)).toMatchObject({ [daemon]: 1 });
	return build;
}

async function uidOf(release: Release, name: string): Promise<string | undefined> {
	const pod = (await release.pods("daemons")).find(({ metadata }) => metadata?.name === name);
	return pod?.metadata?.uid;
}

test("scaled down by hand: the build on the highest daemon ends well, and who comes gets the next one", async () => {
	const release = await install("drained");
	const first = await buildOn(release, "drained-daemons-0", 60);
	const second = await buildOn(release, "drained-daemons-1", 45);
	const busy = await uidOf(release, "drained-daemons-1");
	await scale(release, "statefulset/drained-daemons", 1);
	await until("its pod terminates", 20_000, async () => {
		const pods = await release.pods("daemons");
		return pods.some(({ metadata }) => metadata?.uid === busy && metadata?.deletionTimestamp !== undefined);
	});
	// The first two are full and its own pod takes nobody.
	const third = buildctl(release.outsideAddress);
	expect(await third.exited, third.output).toBe(0);
	expect(await uidOf(release, "drained-daemons-1")).toBe(busy);
	expect((await release.pods("daemons")).map(({ metadata }) => metadata?.name)).toContain(
		"drained-daemons-2",
	);
	expect(second.child.exitCode).toBeNull();
	expect(await second.exited, second.output).toBe(0);
	expect(await first.exited, first.output).toBe(0);
	await release.asleep();
});

test("without a scaler: the build ends well, and the daemon goes after it", async () => {
	const release = await install("alone");
	const build = await buildOn(release, "alone-daemons-0", 25);
	const busy = await uidOf(release, "alone-daemons-0");
	await scale(release, "deployment/alone-scaler", 0);
	await scale(release, "statefulset/alone-daemons", 0);
	expect(await build.exited, build.output).toBe(0);
	await until("the daemon is gone", 40_000, async () => (await uidOf(release, "alone-daemons-0")) !== busy);
});

test("a Deployment that shrinks loses the pod without a build, though it is the older one", async () => {
	const release = await install("costly", {
		kind: "Deployment",
		values: { scaler: { podDeletionCost: true } },
	});
	const podsWithBuilds = async () =>
		Object.entries(await buildsByDaemon(release)).flatMap(([name, builds]) => (builds > 0 ? [name] : []));
	const start = async (seconds: number) => {
		const build = buildctl(release.outsideAddress, buildContext(`echo running; sleep ${seconds}`));
		await build.line(/running$/);
		return build;
	};
	const short = await start(30);
	const [older = ""] = await podsWithBuilds();
	const long = await start(75);
	const [newer = ""] = (await podsWithBuilds()).filter((name) => name !== older);
	expect(await short.exited, short.output).toBe(0);
	// Without a cost the ReplicaSet takes the youngest (kubernetes pkg/controller, ActivePodsWithRanks).
	await until("the older pod is gone", 60_000, async () => (await uidOf(release, older)) === undefined);
	const left = await release.pods("daemons");
	expect(left.map(({ metadata }) => metadata?.name)).toEqual([newer]);
	expect(left[0]?.metadata?.deletionTimestamp).toBeUndefined();
	expect(long.child.exitCode).toBeNull();
	expect(await long.exited, long.output).toBe(0);
	await release.asleep();
});

test("a burst with burst assist: four daemons at once, and neither KEDA nor the HPA takes one back", async () => {
	const { replicas, wantedMs } = await burst(cluster, "assisted", { burstAssist: true });
	// KEDA may be first with its one; then nothing is in between, and from there it only goes down.
	const up = replicas.slice(0, replicas.indexOf(4) + 1);
	expect([[4], [1, 4]]).toContainEqual(up);
	const down = replicas.slice(up.length);
	expect(down).toEqual(down.toSorted((a, b) => b - a));
	expect(wantedMs).toBeLessThan(3_000);
});

test("who waits in vain is told why Kubernetes starts no daemon: no node, no image, a crash, no volume, no quota", async () => {
	const values = (daemons: object) => ({
		proxy: { maxWait: "15s" },
		daemons: { persistence: { enabled: false }, ...daemons },
	});
	const release = await installRelease(cluster, {
		name: "vain",
		values: values({ nodeSelector: { "example.com/disk": "none" } }),
	});
	/** What the build's user reads, and what /state says meanwhile. */
	const told = async (pattern: RegExp) => {
		const build = buildctl(release.outsideAddress);
		const reasons = new Set<string>();
		let waits = true;
		const exited = build.exited.finally(() => {
			waits = false;
		});
		while (waits) {
			for (const reason of await waitingReasons(release)) reasons.add(reason);
			await sleep(200);
		}
		expect(await exited, build.output).not.toBe(0);
		expect(build.output).toMatch(pattern);
		expect([...reasons]).toContainEqual(expect.stringMatching(pattern));
		const [line = ""] = /no daemon had room.*/.exec(build.output) ?? [];
		process.stderr.write(`told: ${line}\n`);
		await release.asleep();
	};
	await told(/Kubernetes: pod vain-daemons-0 cannot be scheduled: 0\/1 nodes are available: .*node affinity/);

	const image = { repository: "local.test/nowhere/buildkitd", tag: "1" };
	await upgradeRelease(cluster, release, values({ image }));
	await told(
		/Kubernetes: pod vain-daemons-0 cannot pull the image of its container buildkitd .*no such host/,
	);

	await upgradeRelease(cluster, release, values({ extraArgs: ["--no-such-flag"] }));
	await told(
		/Kubernetes: pod vain-daemons-0 does not start: its container buildkitd (ended|keeps ending) with exit code 1/,
	);

	const missing = { name: "missing", configMap: { name: "nowhere" } };
	const mount = { name: "missing", mountPath: "/missing" };
	await upgradeRelease(cluster, release, values({ extraVolumes: [missing], extraVolumeMounts: [mount] }));
	await told(
		/Kubernetes: pod vain-daemons-0 is being created \(FailedMount\): .*configmap "nowhere" not found/,
	);

	await upgradeRelease(cluster, release, values({}));
	const quota = {
		apiVersion: "v1",
		kind: "ResourceQuota",
		metadata: { name: "full", namespace: release.namespace },
		// Proxies and scalers, two each, and NATS.
		spec: { hard: { pods: "5" } },
	};
	await cluster.apply([quota]);
	await cluster.waitFor(
		{ path: `/api/v1/namespaces/${release.namespace}/resourcequotas`, name: "full" },
		([found]: readonly V1ResourceQuota[]) => found?.status?.used?.["pods"] === "5",
		{ what: "the quota is in force" },
	);
	await told(
		/Kubernetes: it refused to create a pod: pods "vain-daemons-0" is forbidden: exceeded quota: full/,
	);
});

/** Why the builds that wait do so, as each proxy that has one says. */
async function waitingReasons(release: Release): Promise<string[]> {
	const pods = await release.pods("proxy");
	const states = pods.map(async ({ status }) => {
		const answer = await fetch(`http://${status?.podIP}:8081/state`);
		return (await answer.json()) as ProxyState;
	});
	const pools = (await Promise.all(states)).flatMap((state) => state.pools);
	return pools.flatMap(({ why }) => (why === null ? [] : [why]));
}
