// `buildkit-scaler standalone` on a real API server: a StatefulSet of real buildkitd goes 0 -> 1 -> 0 with nothing but the
// variables of buildkitd-autoscaler, and two replicas from examples/standalone.yaml know each other without NATS.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig, type V1Lease, type V1Pod, type V1StatefulSet } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { ScalerError } from "../../../common/error.ts";
import { KubernetesScaleApi } from "../../../kubernetes/scale.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import { buildImages } from "../../cluster/images/build-image.ts";
import { buildkitd, buildkitdImage } from "../../cluster/images/buildkitd.ts";
import { startCluster } from "../../cluster/start-cluster.ts";
import { aloneOnTheMachine } from "../../helpers/alone.ts";
import { buildContext, buildctl } from "../../helpers/build-client.ts";
import { START_TIMEOUT_MS, stopChartCluster } from "../helpers/kube-cluster.ts";
import { buildScalerImage, scalerImage } from "../helpers/kube-images.ts";
import { chart, valuesOf } from "../helpers/kube-release.ts";

const sets = "/apis/apps/v1/namespaces/default/statefulsets";
const pods = "/api/v1/namespaces/default/pods";
const leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";

aloneOnTheMachine();

let cluster: Cluster;

beforeAll(async () => {
	const images = [...(await buildImages([await buildkitd()])), await buildScalerImage()];
	cluster = await startCluster({ images });
	// Nothing here needs KEDA.
	for (const name of ["keda-operator", "keda-adapter"] as const) await cluster.component(name).kill();
}, START_TIMEOUT_MS);

afterAll(() => stopChartCluster(cluster));

interface Manifest {
	readonly kind: string;
	readonly metadata: { readonly name: string };
}

/** The example, with what this cluster has: images of its own, small volumes, and a pool that sleeps soon. */
function example(): Manifest[] {
	const text = readFileSync(new URL("../../../examples/standalone.yaml", import.meta.url), "utf8")
		.replace("REGISTRY/buildkit-scaler:0.1.0", `${scalerImage.repository}:${scalerImage.tag}`)
		.replace("moby/buildkit:v0.33.1", buildkitdImage)
		.replace('["--addr=tcp://0.0.0.0:8372"]', '["--addr=tcp://0.0.0.0:8372", "--oci-worker-net=host"]')
		.replace("storage: 50Gi", "storage: 1Gi")
		.replace("value: 2m0s", "value: 8s")
		.replace("--max-replicas=4", "--max-replicas=4\n            - --capacity=2");
	return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

const ofKinds = (...kinds: readonly string[]) => example().filter(({ kind }) => kinds.includes(kind));
const daemons = () => example().filter(({ metadata }) => metadata.name.startsWith("buildkitd"));
const rights = () => ofKinds("ServiceAccount", "Role", "RoleBinding");

async function replicasBecome(
	replicas: number,
	timeoutMs: number,
	of = { path: sets, name: "buildkitd" },
): Promise<number> {
	await cluster.waitFor(of, ([set]: readonly V1StatefulSet[]) => set?.spec?.replicas === replicas, {
		what: `${replicas} replicas`,
		timeoutMs,
	});
	return performance.now();
}

/** The rights of the example's ServiceAccount and nothing else, as a kubeconfig. */
async function exampleKubeconfig(): Promise<string> {
	const token = (await cluster.kubectl(["create", "token", "buildkit-standalone"])).trim();
	const config = new KubeConfig();
	const server = cluster.kubeConfig.getCurrentCluster();
	if (server === null) throw new Error("the cluster has no address");
	config.loadFromClusterAndUser(server, { name: "standalone", token });
	const folder = mkdtempSync(join(tmpdir(), "bks-kubeconfig-"));
	onTestFinished(() => rmSync(folder, { recursive: true }));
	const path = join(folder, "config");
	writeFileSync(path, config.exportConfig());
	return path;
}

async function asleep(): Promise<void> {
	await cluster.apply(daemons());
	await cluster.kubectl(["scale", "statefulset/buildkitd", "--replicas=0"]);
	await noPods("app=buildkitd");
}

function noPods(labelSelector: string): Promise<true> {
	return cluster.waitFor({ path: pods, labelSelector }, (found: readonly V1Pod[]) => found.length === 0, {
		what: `no pods ${labelSelector}`,
		timeoutMs: 60_000,
	});
}

test("the scale subresource: read, patched only as it was seen, and each refusal has its code", async () => {
	await asleep();
	const api = new KubernetesScaleApi(cluster.kubeConfig);
	const set = { kind: "StatefulSet", namespace: "default", name: "buildkitd" } as const;
	const signal = new AbortController().signal;
	const seen = await api.read(set, signal);
	expect(seen.replicas).toBe(0);
	await cluster.kubectl(["label", "statefulset/buildkitd", "touched=yes"]);
	const codeOf = (refused: Promise<unknown>) => refused.catch((thrown) => ScalerError.from(thrown).code);
	expect(await codeOf(api.patch(set, 1, seen, signal))).toBe("KUBERNETES_CONFLICT");
	expect((await api.read(set, signal)).replicas).toBe(0);
	expect(await codeOf(api.read({ ...set, name: "nowhere" }, signal))).toBe("KUBERNETES_NOT_FOUND");
	await cluster.apply(rights());
	const config = new KubeConfig();
	config.loadFromFile(await exampleKubeconfig());
	const limited = new KubernetesScaleApi(config);
	expect(await codeOf(limited.read({ ...set, kind: "Deployment" }, signal))).toBe("KUBERNETES_FORBIDDEN");
	const one = await limited.patch(set, 1, await limited.read(set, signal), signal);
	expect(one.replicas).toBe(1);
	await replicasBecome(1, 1_000);
	await cluster.kubectl(["scale", "statefulset/buildkitd", "--replicas=0"]);
	await noPods("app=buildkitd");
});

/** The container's place in buildkitd-autoscaler's Deployment: its variables, and only the image and the command are ours. */
function autoscalerPod(): object {
	const variables = {
		PROXY_LISTEN_ADDR: ":8080",
		BUILDKITD_STATEFULSET_NAME: "buildkitd",
		BUILDKITD_STATEFULSET_NAMESPACE: "default",
		BUILDKITD_HEADLESS_SERVICE_NAME: "buildkitd-headless",
		BUILDKITD_TARGET_PORT: "8372",
		SCALE_DOWN_IDLE_TIMEOUT: "5s",
		READY_WAIT_TIMEOUT: "2m0s",
	};
	return {
		apiVersion: "v1",
		kind: "Pod",
		metadata: { name: "autoscaler", namespace: "default", labels: { app: "autoscaler" } },
		spec: {
			serviceAccountName: "buildkit-standalone",
			containers: [
				{
					name: "autoscaler",
					image: `${scalerImage.repository}:${scalerImage.tag}`,
					args: ["standalone"],
					env: Object.entries(variables).map(([name, value]) => ({ name, value })),
					readinessProbe: { httpGet: { path: "/readyz", port: 8081 }, periodSeconds: 1 },
				},
			],
		},
	};
}

function podIs(name: string, check: (pod: V1Pod) => boolean): Promise<V1Pod> {
	const find = ([pod]: readonly V1Pod[]) => pod !== undefined && check(pod) && pod;
	return cluster.waitFor({ path: pods, name }, find, { what: `pod ${name}`, timeoutMs: 60_000 });
}

const isReady = ({ status }: V1Pod) =>
	status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;

test("0 -> 1 -> 0 for stock clients, with the variables of buildkitd-autoscaler and the example's rights only", async () => {
	await cluster.apply(rights());
	await asleep();
	await cluster.apply([autoscalerPod()]);
	const { status } = await podIs("autoscaler", isReady);
	const address = `tcp://${status?.podIP}:8080`;

	const connectedAt = performance.now();
	const woken = replicasBecome(1, 20_000);
	const build = buildctl(address);
	const wokenAt = await woken;
	expect(await build.exited, build.output).toBe(0);
	const builtAt = performance.now();
	// As many as come together share the one daemon, as there.
	const more = Array.from({ length: 6 }, () => buildctl(address, buildContext("sleep 2")));
	for (const one of more) expect(await one.exited, one.output).toBe(0);
	const idleAt = performance.now();
	const asleepAt = await replicasBecome(0, 60_000);
	expect(asleepAt - idleAt).toBeGreaterThan(4_500);
	await noPods("app=buildkitd");
	const ms = (from: number, to: number) => `${Math.round(to - from)} ms`;
	process.stderr.write(
		`standalone: client started to replicas 1: ${ms(connectedAt, wokenAt)}, to built: ${ms(connectedAt, builtAt)}, ` +
			`last build ended to replicas 0: ${ms(idleAt, asleepAt)} (idle timeout 5 s)\n`,
	);

	const log = await cluster.podLogs("default", "autoscaler");
	expect(log).toContain("unlike buildkitd-autoscaler: nothing is scaled down before");
	expect(log).not.toMatch(/"level":"error"/);
	// It leaves in good order: nobody has to wait for its lease to end.
	await cluster.kubectl(["delete", "pod", "autoscaler", "--grace-period=30"]);
	const lease = await cluster.waitFor(
		{ path: leases, name: "buildkitd-standalone" },
		([one]: readonly V1Lease[]) => one,
		{ what: "the Lease" },
	);
	expect(lease.spec?.holderIdentity ?? "").toBe("");
	expect(lease.metadata?.annotations?.["buildkit-scaler/members"]).toBe("{}");
});

test("two replicas from the example: one scales for both, and the other one when that goes", async () => {
	await cluster.apply(example());
	await cluster.kubectl(["rollout", "status", "deployment/buildkit-standalone", "--timeout=90s"]);
	// What Kubernetes starts at the first, and what an earlier test left.
	await replicasBecome(0, 60_000);
	const clusterIp = (
		await cluster.kubectl(["get", "service", "buildkit", "-o", "jsonpath={.spec.clusterIP}"])
	).trim();
	const address = `tcp://${clusterIp}:8080`;
	const build = (shell: string) => buildctl(address, buildContext(shell));

	// The Service spreads them over both replicas: together they need three daemons, two builds to each.
	const builds = Array.from({ length: 6 }, () => build("sleep 25"));
	await replicasBecome(3, 30_000);
	const holder = async () =>
		(
			await cluster.kubectl(["get", "lease", "buildkitd-standalone", "-o", "jsonpath={.spec.holderIdentity}"])
		).trim();
	const states = await Promise.all(
		(
			await cluster.kubectl([
				"get",
				"pods",
				"-l",
				"app=buildkit-standalone",
				"-o",
				"jsonpath={.items[*].status.podIP}",
			])
		)
			.trim()
			.split(" ")
			.map(
				async (ip) =>
					(await (await fetch(`http://${ip}:8081/state`)).json()) as { standalone: { leads: boolean } },
			),
	);
	expect(states.map(({ standalone }) => standalone.leads).toSorted()).toEqual([false, true]);
	for (const one of builds) expect(await one.exited, one.output).toBe(0);
	await replicasBecome(0, 40_000);

	// The one that scales goes as a Deployment's pods go: the other one scales, at once.
	const before = await holder();
	await cluster.kubectl(["delete", "pod", before.replace(/:\d+$/, ""), "--wait=false"]);
	const next = build("echo next");
	expect(await next.exited, next.output).toBe(0);
	await expect.poll(holder, { timeout: 30_000 }).not.toBe(before);
	await replicasBecome(0, 90_000);
});

/** The chart without KEDA and NATS, in a namespace of its own, its pool asleep. */
async function installStandalone(name: string, kind: "StatefulSet" | "Deployment", values: object = {}) {
	const stdin = valuesOf(name, kind, {
		...values,
		mode: "standalone",
		daemons: { persistence: { enabled: false } },
	});
	const inside = ["--namespace", name];
	await cluster.helm(["install", name, chart, ...inside, "--create-namespace", "--values", "-"], { stdin });
	await cluster.kubectl(["rollout", "status", `deployment/${name}-proxy`, "--timeout=90s", ...inside]);
	const workload = {
		path: `/apis/apps/v1/namespaces/${name}/${kind.toLowerCase()}s`,
		name: `${name}-daemons`,
	};
	// Kubernetes starts one at the first install.
	await replicasBecome(0, 60_000, workload);
	const service = ["get", "service", `${name}-proxy`, "-o", "jsonpath={.spec.clusterIP}", ...inside];
	const address = `tcp://${(await cluster.kubectl(service)).trim()}:1234`;
	return { inside, workload, build: (shell: string) => buildctl(address, buildContext(shell)) };
}

test("the chart with mode standalone: neither KEDA nor NATS, and a pod that somebody deletes ends its build first", async () => {
	const alone = await installStandalone("alone", "StatefulSet");
	const deployments = await cluster.kubectl(["get", "deployments", "-o", "name", ...alone.inside]);
	expect(deployments.trim()).toBe("deployment.apps/alone-proxy");
	const build = alone.build("sleep 8");
	await expect.poll(() => build.output, { timeout: 30_000 }).toContain("sleep 8");
	// All there are: while the first one still goes, its ordinal cannot come again, and the build was given the next one.
	const daemons = ["-l", "app.kubernetes.io/component=daemons"];
	await cluster.kubectl(["delete", "pods", ...daemons, "--wait=false", ...alone.inside]);
	expect(await build.exited, build.output).toBe(0);
	// A daemon that could not be asked at the first try is tried again after a minute (docs/standalone.md, Bounds).
	await replicasBecome(0, 150_000, alone.workload);
});

test("the same with a Deployment: a daemon for each build at once, and fewer as they end", async () => {
	const values = {
		pool: { buildsPerDaemon: 1 },
		autoscaling: { maxReplicas: 3 },
		scaler: { podDeletionCost: true },
	};
	const several = await installStandalone("several", "Deployment", values);
	const builds = [45, 10, 10].map((seconds) => several.build(`sleep ${seconds}`));
	await replicasBecome(3, 30_000, several.workload);
	const [long, ...short] = builds;
	for (const build of short) expect(await build.exited, build.output).toBe(0);
	await replicasBecome(1, 60_000, several.workload);
	expect(long?.child.exitCode).toBeNull();
	expect(await long?.exited, long?.output).toBe(0);
	await replicasBecome(0, 150_000, several.workload);
});
