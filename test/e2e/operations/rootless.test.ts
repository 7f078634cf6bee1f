// Daemons that run as an ordinary user wake, keep their cache and let a build end, as privileged ones do.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Cluster } from "../../cluster/cluster.ts";
import { rootlessBuildkitd } from "../../cluster/images/buildkitd.ts";
import { aloneOnTheMachine } from "../../helpers/alone.ts";
import { buildContext, buildctl } from "../../helpers/build-client.ts";
import { START_TIMEOUT_MS, startChartCluster, stopChartCluster } from "../helpers/kube-cluster.ts";
import { installRelease } from "../helpers/kube-release.ts";
import { until } from "../helpers/kube-until.ts";

aloneOnTheMachine();

let cluster: Cluster;

beforeAll(async () => {
	cluster = await startChartCluster([await rootlessBuildkitd()]);
}, START_TIMEOUT_MS);

afterAll(() => stopChartCluster(cluster));

/** Of a kind that kubelet gives to the pod's group, as it does a cloud's disks; the cluster's own provisioner makes none. */
async function makeVolume(storageClass: string): Promise<void> {
	const folder = mkdtempSync(join(tmpdir(), "bks-volume-"));
	onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
	const anyNode = { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "Exists" }] };
	const volume = {
		apiVersion: "v1",
		kind: "PersistentVolume",
		metadata: { name: storageClass },
		spec: {
			storageClassName: storageClass,
			capacity: { storage: "1Gi" },
			accessModes: ["ReadWriteOnce"],
			local: { path: folder },
			nodeAffinity: { required: { nodeSelectorTerms: [anyNode] } },
		},
	};
	await cluster.apply([volume]);
}

test("rootless: a cold build, a second one from the cache, and one whose daemon is told to go meanwhile", async () => {
	const storageClass = "by-hand";
	await makeVolume(storageClass);
	const release = await installRelease(cluster, {
		name: "rootless",
		values: {
			daemons: { security: "rootless", persistence: { storageClass }, drain: { quietSeconds: 3 } },
		},
	});
	const { namespace, outsideAddress } = release;
	const context = buildContext();
	const first = buildctl(outsideAddress, context);
	expect(await first.exited, first.output).toBe(0);
	expect(first.output).not.toContain("CACHED");
	const inDaemon = ["exec", "--namespace", namespace, "rootless-daemons-0", "--"];
	expect(await cluster.kubectl([...inDaemon, "id", "-u"])).toBe("1000\n");
	expect(await cluster.kubectl([...inDaemon, "ps"])).toMatch(/rootlesskit buildkitd/);
	await release.asleep();

	const second = buildctl(outsideAddress, context);
	expect(await second.exited, second.output).toBe(0);
	expect(second.output).toContain("CACHED");

	const long = buildctl(outsideAddress, buildContext("echo running; sleep 20"));
	await long.line(/running$/);
	await cluster.kubectl(["scale", "statefulset/rootless-daemons", "--replicas=0", "--namespace", namespace]);
	await until("its pod terminates", 20_000, async () => {
		const [pod] = await release.pods("daemons");
		return pod?.metadata?.deletionTimestamp !== undefined;
	});
	expect(long.child.exitCode).toBeNull();
	expect(await long.exited, long.output).toBe(0);
	await release.asleep();
});
