// The chart and the manifests as their users meet them: refused when wrong, accepted by the API server, upgraded in the
// middle of a build, and gone without a trace after uninstall.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { V1CustomResourceDefinitionList, V1Deployment } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { loadConfig, loadPools } from "../../cli/load-config.ts";
import { poolSettings } from "../../cli/pool-settings.ts";
import { poolOptions, sharedOptions } from "../../cli/proxy-options.ts";
import { standaloneOptions } from "../../cli/standalone-options.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { aloneOnTheMachine } from "../helpers/alone.ts";
import { buildContext, buildctl } from "../helpers/build-client.ts";
import { projectRoot } from "../tools/paths.ts";
import { START_TIMEOUT_MS, startChartCluster, stopChartCluster } from "./helpers/kube-cluster.ts";
import { chart, installRelease, upgradeRelease } from "./helpers/kube-release.ts";
import { Timeline, watchPool } from "./helpers/kube-timeline.ts";

aloneOnTheMachine();

const valueSets = readdirSync(join(chart, "ci"));
const manifests = readdirSync(join(projectRoot, "keda")).map((name) => join(projectRoot, "keda", name));

let cluster: Cluster;

beforeAll(async () => {
	cluster = await startChartCluster();
}, START_TIMEOUT_MS);

afterAll(() => stopChartCluster(cluster));

/** What helm or kubectl says when it refuses. */
async function refusal(run: Promise<string>): Promise<string> {
	try {
		return `accepted:\n${await run}`;
	} catch (error) {
		return error instanceof Error && "details" in error ? String(error.details) : String(error);
	}
}

function template(...args: string[]): Promise<string> {
	return cluster.helm(["template", "pool", chart, "--kube-version", "1.35.4", ...args]);
}

/** Values that are fine one by one, for `helm template`. */
function nonsense(values: Readonly<Record<string, string>>): string[] {
	const settings = Object.entries(values).map(([path, value]) => `${path}=${value}`);
	return ["keda.check=false", ...settings].flatMap((setting) => ["--set", setting]);
}

test.each(valueSets)("ci/%s: lint, template, and the API server takes it", async (name) => {
	const values = join(chart, "ci", name);
	expect(await cluster.helm(["lint", "--strict", chart, "--values", values])).toContain("0 chart(s) failed");
	const stdin = await template("--values", values);
	const applied = await cluster.kubectl(["apply", "--dry-run=server", "-f", "-"], { stdin });
	const isStandalone = name.startsWith("standalone");
	expect(applied.includes("scaledobject.keda.sh/")).toBe(!isStandalone);
	if (isStandalone) expect(applied).not.toMatch(/nats/);
	// Otherwise an upgrade would reset what KEDA and its HPA decided.
	const workload = stdin
		.split("\n---\n")
		.find((text) => /^kind: (StatefulSet|Deployment)\n(.*\n)+? {2}name: \S+-daemons$/m.test(text));
	expect(workload).toContain("spec:");
	expect(workload).not.toMatch(/^\s*replicas:/m);
	// The proxy understands its arguments, and they go together.
	const argv = proxyArgs(stdin, isStandalone ? "standalone" : "proxy");
	if (isStandalone) {
		const { stsName, pool } = loadConfig(standaloneOptions, { argv, env: {} });
		expect([stsName, pool]).toEqual(["pool-buildkit-scaler-daemons", "default"]);
		return;
	}
	const { pools } = loadPools(sharedOptions, poolOptions, { argv, env: {} });
	expect(pools.map(poolSettings)).toHaveLength(1);
});

/** The arguments of the proxy's container in rendered manifests, without the command's name. */
function proxyArgs(manifests: string, name: string): string[] {
	const objects = parseAllDocuments(manifests).map((document) => document.toJS() as V1Deployment | null);
	const deployment = objects.find(
		(object) => object?.kind === "Deployment" && object.metadata?.name?.endsWith("-proxy"),
	);
	const [command, ...args] = deployment?.spec?.template.spec?.containers[0]?.args ?? [];
	expect(command).toBe(name);
	// The kubelet fills it in.
	return args.map((arg) => arg.replace("$(POD_IP)", "10.0.0.7"));
}

test("every file in keda/ is taken by the API server, dry and for real", async () => {
	expect(manifests.length).toBeGreaterThanOrEqual(3);
	for (const manifest of manifests) {
		expect(await cluster.kubectl(["apply", "--dry-run=server", "-f", manifest])).toContain("server dry run");
	}
	// One after the other: two are of the same name.
	await cluster.kubectl(["create", "namespace", "manifests"]);
	for (const manifest of manifests) {
		const text = readFileSync(manifest, "utf8");
		const applied = await cluster.kubectl(["apply", "--namespace", "manifests", "-f", "-"], { stdin: text });
		expect(applied).toMatch(/ created/);
		await cluster.kubectl(["delete", "--namespace", "manifests", "-f", "-"], { stdin: text });
	}
});

test.each([
	{ args: ["--set", "proxy.replicas=many"], says: "at '/proxy/replicas': got string, want integer" },
	{
		args: ["--set", "daemons.kind=Job"],
		says: "at '/daemons/kind': value must be one of 'StatefulSet', 'Deployment'",
	},
	{
		args: ["--set", "proxy.service.prot=1"],
		says: "at '/proxy/service': additional properties 'prot' not allowed",
	},
	{ args: ["--set", "proxy.maxWait=soon"], says: "at '/proxy/maxWait': 'soon' does not match pattern" },
	{ args: ["--set", "pool.name=My_Pool"], says: "at '/pool/name': 'My_Pool' does not match pattern" },
	{
		args: nonsense({ "autoscaling.cooldownSeconds": "19" }),
		says: "Set 20 or more, or autoscaling.allowShortCooldown true",
	},
	{
		args: ["--set", "autoscaling.pollingSeconds=0"],
		says: "at '/autoscaling/pollingSeconds': minimum: got 0, want 1",
	},
	{ args: ["--set", "nats.url=http://nats"], says: "at '/nats/url': 'http://nats' does not match pattern" },
	{ args: ["--set", "daemons.kind=Deployment", "--set", "keda.check=false"], says: "would share one volume" },
	{ args: ["--set", "autoscaling.minReplicas=11", "--set", "keda.check=false"], says: "must not be above" },
	{
		args: ["--set", "mode=standalone", "--set", "autoscaling.minReplicas=1"],
		says: "autoscaling.minReplicas: goes with mode keda",
	},
	{ args: ["--set", "mode=alone"], says: "at '/mode': value must be one of 'keda', 'standalone'" },
	{ args: [], says: "KEDA is not installed in this cluster" },
	{
		args: ["--set", "proxy.tls.mode=on"],
		says: "at '/proxy/tls/mode': value must be one of 'off', 'terminate', 'passthrough'",
	},
	{
		args: ["--set", "proxy.tls.allowClients={ci}"],
		says: "at '/proxy/tls/allowClients/0': 'ci' does not match pattern",
	},
	{ args: ["--set", "daemons.tls.keys.cert=a/b"], says: "at '/daemons/tls/keys/cert': 'a/b' does not match" },
	{
		args: nonsense({ "proxy.tls.mode": "terminate" }),
		says: "proxy.tls.secretName: proxy.tls.mode terminate needs",
	},
	{ args: nonsense({ "nats.credentials.secretName": "a" }), says: "nats.credentials and nats.tls: go with" },
	{ args: nonsense({ "proxy.tls.secretName": "a" }), says: "proxy.tls.secretName: goes with" },
	{ args: nonsense({ "proxy.tls.allowClients": "{cn:a}" }), says: "proxy.tls.allowClients: goes with" },
	{
		args: nonsense({
			"proxy.tls.mode": "terminate",
			"proxy.tls.secretName": "a",
			"proxy.tls.clientAuth": "none",
			"proxy.tls.allowClients": "{cn:a}",
		}),
		says: "proxy.tls.allowClients: goes with proxy.tls.clientAuth required or optional",
	},
	{
		args: nonsense({ "proxy.tls.mode": "passthrough" }),
		says: "daemons.tls.secretName: proxy.tls.mode passthrough needs",
	},
	{
		args: nonsense({
			"proxy.tls.mode": "passthrough",
			"daemons.tls.secretName": "a",
			"daemons.tls.client.secretName": "b",
		}),
		says: "daemons.tls.client.secretName: goes with proxy.tls.mode terminate or off",
	},
	{
		args: nonsense({ "scaler.tls.client.secretName": "a" }),
		says: "scaler.tls.client.secretName: goes with scaler.tls.secretName",
	},
	{
		args: nonsense({ "daemons.tls.secretName": "a" }),
		says: "daemons.tls.client.secretName: daemons with TLS need",
	},
	{
		args: nonsense({ "daemons.tls.client.secretName": "a" }),
		says: "daemons.tls.client.secretName: goes with daemons.tls.secretName",
	},
	{ args: nonsense({ "daemons.tls.serverName": "a" }), says: "daemons.tls.serverName: goes with" },
])("refused: $args", async ({ args, says }) => {
	expect(await refusal(template(...args))).toContain(says);
});

test("KEDA before 2.18 is refused", async () => {
	const crds = JSON.parse(
		await cluster.kubectl(["get", "crd", "--output=json"]),
	) as V1CustomResourceDefinitionList;
	const crd = crds.items.find(({ metadata }) => metadata?.name === "scaledobjects.keda.sh");
	const path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/advanced/properties";
	const scaleUp = `${path}/horizontalPodAutoscalerConfig/properties/behavior/properties/scaleUp/properties`;
	const patch = JSON.stringify([{ op: "remove", path: `${scaleUp}/tolerance` }]);
	const dryRun = ["install", "old", chart, "--dry-run=server"];
	expect(await cluster.helm(dryRun)).toContain("kind: ScaledObject");
	await cluster.kubectl(["patch", "crd", "scaledobjects.keda.sh", "--type=json", `--patch=${patch}`]);
	try {
		expect(await refusal(cluster.helm(dryRun))).toContain("KEDA before 2.18 is too old");
	} finally {
		const { metadata, ...rest } = crd ?? {};
		const whole = { ...rest, metadata: { name: metadata?.name, annotations: metadata?.annotations } };
		await cluster.kubectl(["apply", "--server-side", "--force-conflicts", "-f", "-"], {
			stdin: JSON.stringify(whole),
		});
	}
	expect(await cluster.helm(dryRun)).toContain("kind: ScaledObject");
});

// An upgrade of everything leaves a running build alone; without NATS proxies stay ready, scalers do not; then uninstall.
test("a release's whole life", async () => {
	const release = await installRelease(cluster, { name: "whole" });
	expect(release.notes).toContain("buildctl --addr tcp://whole-proxy.whole:1234 build");
	const inNamespace = ["--namespace", release.namespace];

	const timeline = new Timeline();
	const watching = await watchPool(cluster, release, timeline);
	const build = buildctl(release.outsideAddress, buildContext("echo running; sleep 60"));
	await build.line(/running$/);
	const change = { podAnnotations: { "example.com/changed": "true" } };
	await upgradeRelease(cluster, release, { proxy: change, scaler: change, daemons: change });
	timeline.mark("proxies and scalers are new");
	expect(await build.exited, build.output).toBe(0);
	timeline.mark("build succeeded");
	await release.asleep();
	watching.close();
	timeline.print("an upgrade during a build");
	const steps = timeline.moments.map(({ what }) => what).filter((what) => !what.startsWith("whole-daemons"));
	expect(steps).toEqual([
		"replicas 0 -> 1",
		"proxies and scalers are new",
		"build succeeded",
		"replicas 1 -> 0",
	]);

	const ready = (proxies: number | undefined, scalers: number | undefined) =>
		cluster.waitFor(
			{ path: `/apis/apps/v1/namespaces/${release.namespace}/deployments` },
			(found: readonly V1Deployment[]) => {
				const readyOf = (name: string) =>
					found.find(({ metadata }) => metadata?.name === name)?.status?.readyReplicas;
				return readyOf("whole-proxy") === proxies && readyOf("whole-scaler") === scalers;
			},
			{ what: `${proxies} ready proxies, ${scalers} ready scalers`, timeoutMs: 60_000 },
		);
	await cluster.kubectl(["scale", "deployment", "whole-nats", "--replicas=0", ...inNamespace]);
	await ready(2, undefined);
	const [scaler] = await release.pods("scaler");
	const readiness = await fetch(`http://${scaler?.status?.podIP}:8081/readyz`);
	expect(await readiness.text()).toMatch(/^not ready: \S+/);
	// The scalers read of it from the proxies themselves.
	const without = buildctl(release.outsideAddress, buildContext("echo built without NATS"));
	expect(await without.exited, without.output).toBe(0);
	await cluster.kubectl(["scale", "deployment", "whole-nats", "--replicas=1", ...inNamespace]);
	await ready(2, 2);

	await cluster.helm(["uninstall", release.name, ...inNamespace, "--wait"]);
	expect(release.notes).toContain("After `helm uninstall` the caches stay, and nothing else");
	// Pods outlive the objects that made them for as long as they take to stop.
	const onlyVolumes = ["persistentvolumeclaim/state-whole-daemons-0"];
	await expect.poll(() => leftIn(release.namespace), { timeout: 30_000 }).toEqual(onlyVolumes);
	const [, command = ""] = /^ *kubectl (.* delete pvc .*)$/m.exec(release.notes) ?? [];
	await cluster.kubectl(command.split(" "));
	expect(await leftIn(release.namespace)).toEqual([]);
});

/** All objects of a namespace but those that Kubernetes itself puts there. */
async function leftIn(namespace: string): Promise<string[]> {
	const resources = await cluster.kubectl(["api-resources", "--namespaced", "--verbs=list", "--output=name"]);
	const kinds = resources
		.trim()
		.split("\n")
		.filter((kind) => !/^events|metrics/.test(kind));
	const listed = await cluster.kubectl(["get", kinds.join(","), "--namespace", namespace, "--output=name"]);
	const own = ["configmap/kube-root-ca.crt", "serviceaccount/default"];
	return listed.split("\n").filter((name) => name !== "" && !own.includes(name));
}
