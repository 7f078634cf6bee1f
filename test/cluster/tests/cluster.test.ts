// The cluster that all other end-to-end tests run on does what a cluster does.
import { CoreV1Api, type V1Deployment, type V1Pod, type V1StatefulSet } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aloneOnTheMachine } from "../../helpers/alone.ts";
import { kubernetes } from "../../tools/go-modules.ts";
import { findProgram } from "../../tools/programs.ts";
import { runCommand } from "../../tools/run-command.ts";
import type { Cluster } from "../cluster.ts";
import type { ComponentName } from "../component-spec.ts";
import { buildImage } from "../images/build-image.ts";
import { buildkitd } from "../images/buildkitd.ts";
import { leftOvers } from "../left-overs.ts";
import { startCluster } from "../start-cluster.ts";
import { withBuildContext } from "./build-context.ts";
import { buildkitdPool, scaledDeployment, scriptPod, service, serviceOfTest } from "./cluster-objects.ts";
import { machine } from "./machine.ts";
import { startPushingScaler } from "./pushing-scaler.ts";

const pods = "/api/v1/namespaces/default/pods";
const statefulSets = "/apis/apps/v1/namespaces/default/statefulsets";
const deployments = "/apis/apps/v1/namespaces/default/deployments";

// Not -T: that option crashes Debian's static wget. Not just "web": that is also a pod's own host name.
const fetchWeb = "wget -q -O - http://web.default:8080/";

aloneOnTheMachine();

let before: object;
let cluster: Cluster;

beforeAll(async () => {
	before = await machine();
	cluster = await startCluster({ images: [await buildImage(await buildkitd())] });
}, 120_000);

afterAll(async () => {
	await cluster?.stop();
	expect(await leftOvers()).toEqual([]);
	expect(await machine()).toEqual(before);
});

/** Its output, once the pod has succeeded. */
async function outputOf(name: string, script: string): Promise<string> {
	await cluster.apply([scriptPod(name, script)]);
	const phase = await cluster.waitFor(
		{ path: pods, name },
		([pod]: readonly V1Pod[]) =>
			["Succeeded", "Failed"].includes(pod?.status?.phase ?? "") && pod?.status?.phase,
		{ what: `pod ${name} ends` },
	);
	expect(phase, await cluster.podLogs("default", name)).toBe("Succeeded");
	return await cluster.podLogs("default", name);
}

function replicasAre(name: string, count: number, timeoutMs?: number): Promise<true> {
	return cluster.waitFor(
		{ path: deployments, name },
		([found]: readonly V1Deployment[]) => (found?.status?.readyReplicas ?? 0) === count || undefined,
		{ what: `${name} has ${count} ready replicas`, ...(timeoutMs === undefined ? {} : { timeoutMs }) },
	);
}

test("kubectl, helm and the client library speak to it", async () => {
	const { serverVersion } = JSON.parse(await cluster.kubectl(["version", "--output=json"])) as {
		serverVersion: { gitVersion: string };
	};
	expect(serverVersion.gitVersion).toBe(kubernetes.version);
	expect(await cluster.helm(["list", "--all-namespaces", "--short"])).toBe("");
	const api = cluster.kubeConfig.makeApiClient(CoreV1Api);
	expect((await api.listNode()).items.map((node) => node.metadata?.name)).toEqual(["node1"]);
});

test("a pod is reached by its Service's name: from another pod, from itself and from the machine", async () => {
	const serve = "echo hello > /tmp/index.html && exec httpd -f -p 8080 -h /tmp";
	await cluster.apply([scriptPod("web", serve), service("web", 8080)]);
	await cluster.waitFor(
		{ path: pods, name: "web" },
		([pod]: readonly V1Pod[]) => pod?.status?.containerStatuses?.[0]?.ready || undefined,
		{ what: "pod web is ready" },
	);
	const fetchPage = `until ${fetchWeb}; do sleep 0.1; done`;
	expect(await outputOf("client", fetchPage)).toBe("hello\n");
	const itself = await cluster.kubectl(["exec", "web", "--", "sh", "-c", fetchWeb]);
	expect(itself).toBe("hello\n");
	const ip = await cluster.kubectl(["get", "service", "web", "--output=jsonpath={.spec.clusterIP}"]);
	expect(await (await fetch(`http://${ip}:8080/`)).text()).toBe("hello\n");
});

test("a StatefulSet of real buildkitd builds, with its cache on a PVC", async () => {
	await cluster.apply([service("buildkitd", 1234), buildkitdPool("buildkitd", 1234)]);
	await cluster.waitFor(
		{ path: statefulSets, name: "buildkitd" },
		([found]: readonly V1StatefulSet[]) => found?.status?.readyReplicas === 1 || undefined,
		{ what: "buildkitd is ready" },
	);
	const ip = await cluster.kubectl(["get", "service", "buildkitd", "--output=jsonpath={.spec.clusterIP}"]);
	const buildctl = (...args: string[]) =>
		runCommand(findProgram("buildctl"), ["--addr", `tcp://${ip}:1234`, ...args]);
	// kube-proxy follows up to a second after the pod is ready.
	await expect.poll(() => buildctl("debug", "workers"), { timeout: 5_000 }).toContain("linux/");
	await withBuildContext(async (context) => {
		const locals = ["--local", `context=${context}`, "--local", `dockerfile=${context}`];
		await buildctl("build", "--frontend=dockerfile.v0", ...locals);
	});
	const claims = await cluster.kubectl(["get", "pvc", "--output=jsonpath={.items[*].status.phase}"]);
	expect(claims).toBe("Bound");
});

test("KEDA scales 0, 1, 3, 0 by what a scaler behind a Service pushes and reports", async () => {
	const scaler = await startPushingScaler(cluster.nodeIp);
	try {
		await cluster.apply([
			...serviceOfTest("scaler", 6000, cluster.nodeIp, scaler.port),
			...scaledDeployment("scaled", "scaler.default.svc.cluster.local:6000"),
		]);
		await replicasAre("scaled", 0);
		scaler.demand(1);
		await replicasAre("scaled", 1);
		scaler.demand(3);
		await replicasAre("scaled", 3);
		scaler.demand(0);
		await replicasAre("scaled", 0, 60_000);
	} finally {
		scaler.close();
	}
});

test("every component comes back after a crash and after a hang, and the pods run on", async () => {
	const names: readonly ComponentName[] = [
		...(["etcd", "apiserver", "kcm", "scheduler", "containerd", "kubelet"] as const),
		...(["kube-proxy", "coredns", "keda-operator", "keda-adapter"] as const),
	];
	for (const name of names) {
		const component = cluster.component(name);
		const { pid } = component.process!;
		await component.kill();
		expect(component.process).toBeUndefined();
		await component.start();
		expect(component.process?.pid).not.toBe(pid);
		await component.stop();
		expect(await component.spec.isReady().catch(() => false)).toBe(false);
		component.continue();
		await expect.poll(() => component.spec.isReady().catch(() => false), { timeout: 20_000 }).toBe(true);
	}
	expect(await outputOf("client-again", fetchWeb)).toBe("hello\n");
});
