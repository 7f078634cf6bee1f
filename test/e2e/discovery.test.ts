// The proxy finds its daemons in a real cluster's EndpointSlices, and keeps them while the API server is away.
import { KubeConfig, type V1Pod } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { createLogger } from "../../common/log.ts";
import type { Daemon } from "../../proxy/daemon.ts";
import { KubernetesSliceApi } from "../../proxy/discovery/endpoint-slice-api.ts";
import { EndpointSliceSource } from "../../proxy/discovery/endpoint-slice-source.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { pauseImage } from "../cluster/images/pause.ts";
import { leftOvers } from "../cluster/left-overs.ts";
import { startCluster } from "../cluster/start-cluster.ts";
import { CliProcess } from "../helpers/cli-process.ts";
import { startNatsServer } from "../helpers/nats-server.ts";
import { aloneOnTheMachine } from "./helpers/alone.ts";

const namespace = "default";
const pods = `/api/v1/namespaces/${namespace}/pods`;
const metadata = (name: string) => ({ name, namespace });

aloneOnTheMachine();

let cluster: Cluster;

beforeAll(async () => {
	cluster = await startCluster();
}, 120_000);

afterAll(async () => {
	await cluster?.stop();
	expect(await leftOvers()).toEqual([]);
});

/** Pods that listen, are never ready, and take 2 s to go. */
function template(app: string): object {
	const script = "mkdir -p /tmp/www && exec httpd -f -p 1234 -h /tmp/www";
	return {
		metadata: { labels: { app } },
		spec: {
			terminationGracePeriodSeconds: 3,
			containers: [
				{
					name: "main",
					image: pauseImage,
					command: ["/bin/sh", "-c", script],
					ports: [{ name: "buildkit", containerPort: 1234 }],
					readinessProbe: { exec: { command: ["false"] }, periodSeconds: 1 },
					lifecycle: { preStop: { exec: { command: ["sleep", "2"] } } },
				},
			],
		},
	};
}

function service(name: string): object {
	const spec = {
		clusterIP: "None",
		publishNotReadyAddresses: true,
		selector: { app: name },
		ports: [{ name: "buildkit", port: 1234 }],
	};
	return { apiVersion: "v1", kind: "Service", metadata: metadata(name), spec };
}

function workload(kind: "StatefulSet" | "Deployment", name: string): object {
	const own = kind === "StatefulSet" ? { serviceName: name, podManagementPolicy: "Parallel" } : {};
	const spec = {
		...own,
		replicas: 0,
		selector: { matchLabels: { app: name } },
		template: template(name),
	};
	return { apiVersion: "apps/v1", kind, metadata: metadata(name), spec };
}

function scale(target: string, replicas: number): Promise<string> {
	return cluster.kubectl(["scale", target, `--replicas=${replicas}`]);
}

interface Seen {
	readonly source: EndpointSliceSource;
	readonly warnings: string[];
	/** Resolves to the time at which a list first satisfied `check`. */
	until(check: (daemons: readonly Daemon[]) => boolean): Promise<number>;
	ready(): Promise<void>;
}

/** Watches as the proxy does, in this process, so that times can be compared. */
function discover(service: string, config: KubeConfig = cluster.kubeConfig, inside = namespace): Seen {
	const watched = { namespace: inside, service, port: "buildkit" };
	const log = createLogger("silent");
	const warnings: string[] = [];
	log.warn = (_fields: object, message?: string) => void warnings.push(message ?? "");
	const source = new EndpointSliceSource(watched, {
		api: new KubernetesSliceApi(config, watched),
		clock: systemClock,
		log,
	});
	onTestFinished(() => source.close());
	return {
		source,
		warnings,
		until(check) {
			const { promise, resolve } = Promise.withResolvers<number>();
			const look = () => {
				if (!check(source.daemons)) return;
				stop();
				resolve(performance.now());
			};
			const stop = source.onChange(look);
			look();
			return promise;
		},
		ready: () => expect.poll(() => source.ready().ok, { timeout: 10_000, interval: 20 }).toBe(true),
	};
}

/** When the API server first showed a pod's address, and which. */
async function podIp(name: string, not?: string): Promise<{ ip: string; at: number }> {
	const ip = await cluster.waitFor(
		{ path: pods, name },
		([pod]: readonly V1Pod[]) => {
			const found = pod?.status?.podIP;
			return found !== not && found;
		},
		{ what: `pod ${name} has an address` },
	);
	return { ip, at: performance.now() };
}

const ofNames =
	(...names: readonly string[]) =>
	(daemons: readonly Daemon[]) =>
		JSON.stringify(daemons.map(({ name }) => name)) === JSON.stringify(names);

function report(what: string, ms: number): void {
	process.stdout.write(`discovery: ${what}: ${Math.round(ms)} ms\n`);
}

test("a StatefulSet from 0 to 2 to 1: not-ready pods are listed, terminating ones drain, a new address is seen", async () => {
	await cluster.apply([service("set"), workload("StatefulSet", "set")]);
	const seen = discover("set");
	await seen.ready();
	expect(seen.source.daemons).toEqual([]);

	const ips = Promise.all([podIp("set-0"), podIp("set-1")]);
	const scaledAt = performance.now();
	await scale("statefulset/set", 2);
	const bothAt = await seen.until(ofNames("set-0", "set-1"));
	const [zero, one] = await ips;
	report("scale to both listed", bothAt - scaledAt);
	report("pod address to listed", bothAt - Math.max(zero.at, one.at));
	const daemon = (ordinal: number, host: string) => ({
		name: `set-${ordinal}`,
		address: { t: "tcp", host, port: 1234 },
		ordinal,
		draining: false,
	});
	expect(seen.source.daemons).toEqual([daemon(0, zero.ip), daemon(1, one.ip)]);

	const downAt = performance.now();
	await scale("statefulset/set", 1);
	const drainingAt = await seen.until(([, second]) => second?.draining === true);
	report("scale down to draining", drainingAt - downAt);
	expect(seen.source.daemons).toEqual([daemon(0, zero.ip), { ...daemon(1, one.ip), draining: true }]);
	const goneAt = await seen.until(ofNames("set-0"));
	expect(goneAt - drainingAt).toBeGreaterThan(1_000);

	await cluster.kubectl(["delete", "pod", "set-0", "--grace-period=0", "--force"]);
	const { ip } = await podIp("set-0", zero.ip);
	await seen.until(([first]) => first?.address.t === "tcp" && first.address.host === ip && !first.draining);
	expect(seen.source.daemons).toEqual([daemon(0, ip)]);
	expect(seen.warnings).toEqual([]);
});

test("a Deployment's pods have no order", async () => {
	await cluster.apply([service("web"), workload("Deployment", "web")]);
	const seen = discover("web");
	await scale("deployment/web", 2);
	await seen.until(({ length }) => length === 2);
	const names = await cluster.kubectl(["get", "pods", "-l", "app=web", "-o", "name"]);
	expect(seen.source.daemons.map(({ name }) => `pod/${name}`)).toEqual(names.trim().split("\n").toSorted());
	expect(seen.source.daemons.map(({ ordinal }) => ordinal)).toEqual([null, null]);
});

test("daemons stay listed while the API server is away, crashed or hanging, and changes are seen after it", async () => {
	await cluster.apply([service("kept"), workload("StatefulSet", "kept")]);
	const seen = discover("kept");
	await scale("statefulset/kept", 1);
	await seen.until(ofNames("kept-0"));
	const apiserver = cluster.component("apiserver");

	await apiserver.kill();
	await expect.poll(() => seen.warnings.length, { timeout: 10_000 }).toBeGreaterThan(0);
	expect(seen.source.daemons.map(({ name }) => name)).toEqual(["kept-0"]);
	expect(seen.source.ready()).toEqual({ ok: true });
	await apiserver.start();
	const ready = podIp("kept-1");
	await scale("statefulset/kept", 2);
	const caughtUpAt = await seen.until(ofNames("kept-0", "kept-1"));
	report("pod address to listed, after an API server's crash", caughtUpAt - (await ready).at);

	const hungAt = performance.now();
	await apiserver.stop();
	const silent = () => seen.warnings.some((line) => line.includes("silent"));
	await expect.poll(silent, { timeout: 40_000 }).toBe(true);
	report("API server hangs to noticed", performance.now() - hungAt);
	expect(seen.source.daemons.map(({ name }) => name)).toEqual(["kept-0", "kept-1"]);
	expect(seen.source.ageMs).toBeGreaterThan(20_000);
	apiserver.continue();
	await scale("statefulset/kept", 1);
	await seen.until(ofNames("kept-0"));
	expect(seen.source.ageMs).toBeLessThan(10_000);
}, 120_000);

/** A client with a service account's rights only. */
async function asServiceAccount(name: string): Promise<KubeConfig> {
	const token = (await cluster.kubectl(["create", "token", name])).trim();
	const config = new KubeConfig();
	config.loadFromClusterAndUser(cluster.kubeConfig.getCurrentCluster()!, { name, token });
	return config;
}

test("get, list and watch on endpointslices in its namespace is all it needs; without them it says so and goes on", async () => {
	const verbs = ["get", "list", "watch"];
	const rules = [{ apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs }];
	const group = "rbac.authorization.k8s.io";
	await cluster.apply([
		{ apiVersion: "v1", kind: "ServiceAccount", metadata: metadata("proxy") },
		{ apiVersion: `${group}/v1`, kind: "Role", metadata: metadata("proxy"), rules },
		service("asked"),
		workload("StatefulSet", "asked"),
	]);
	const config = await asServiceAccount("proxy");
	const seen = discover("asked", config);
	await expect.poll(() => seen.warnings, { timeout: 5_000 }).toHaveLength(1);
	const needs = "needs get, list, watch on endpointslices (discovery.k8s.io) in namespace default";
	expect(seen.warnings[0]).toContain(needs);
	expect(seen.source.ready().reason).toContain(needs);

	const subjects = [{ kind: "ServiceAccount", ...metadata("proxy") }];
	const roleRef = { apiGroup: group, kind: "Role", name: "proxy" };
	await cluster.apply([
		{ apiVersion: `${group}/v1`, kind: "RoleBinding", metadata: metadata("proxy"), subjects, roleRef },
	]);
	await seen.ready();
	await scale("statefulset/asked", 1);
	await seen.until(ofNames("asked-0"));

	const elsewhere = discover("asked", config, "nowhere");
	await expect.poll(() => elsewhere.warnings[0], { timeout: 5_000 }).toContain("in namespace nowhere");
	const missing = discover("no-such-service", config);
	await missing.ready();
	expect(missing.warnings).toEqual([
		"namespace default has no Service no-such-service, or it selects nothing",
	]);
});

test("buildkit-scaler proxy --daemons-service is unready until it knows, and then stays ready", async () => {
	await cluster.apply([service("cli"), workload("StatefulSet", "cli")]);
	const nats = await startNatsServer();
	onTestFinished(() => nats.kill());
	const apiserver = cluster.component("apiserver");
	await apiserver.kill();
	const anyPort = "127.0.0.1:0";
	process.env["KUBECONFIG"] = cluster.kubeconfigPath;
	onTestFinished(() => void delete process.env["KUBECONFIG"]);
	const proxy = CliProcess.start(
		...["proxy", "--daemons-service", "cli", "--nats", nats.url],
		...["--listen", anyPort, "--admin", anyPort],
	);
	const [, admin] = await proxy.line(/"admin":(\d+).*proxy ready/);
	const get = async (path: string) => (await fetch(`http://127.0.0.1:${admin}/${path}`)).text();
	await expect
		.poll(() => get("readyz"))
		.toMatch(/^not ready: the daemons of Service cli are not known: no usable/);
	await apiserver.start();
	await expect.poll(() => get("readyz"), { timeout: 20_000 }).toBe("ready\n");
	await scale("statefulset/cli", 1);
	await proxy.line(/"daemons":1,"draining":0.*daemons changed/);
	expect(await get("state")).toContain('"cli-0"');
	await apiserver.kill();
	await proxy.line(/"daemons":1.*discovery fails/);
	expect(await get("readyz")).toBe("ready\n");
	expect(await get("metrics")).toMatch(
		/^buildkit_proxy_discovery_age_seconds{namespace="default",pool="default"} [\d.]+$/m,
	);
	await apiserver.start();
	await proxy.line(/"daemons":1.*discovery works again/);
});
