// The proxy finds its daemons in a real cluster's EndpointSlices and DNS, and keeps them while the API server is away.
import { KubeConfig, type V1Pod } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../common/clock.ts";
import { createLogger } from "../../../common/log.ts";
import { KubernetesSliceApi } from "../../../kubernetes/endpoint-slice-api.ts";
import type { Daemon, DaemonSource } from "../../../proxy/daemon.ts";
import { DnsLookup } from "../../../proxy/discovery/dns/dns-lookup.ts";
import { parseDnsName } from "../../../proxy/discovery/dns/dns-name.ts";
import { DnsSource } from "../../../proxy/discovery/dns/dns-source.ts";
import { EndpointSliceSource } from "../../../proxy/discovery/endpoint-slice-source.ts";
import { KubernetesPodApi } from "../../../proxy/discovery/pods/pod-api.ts";
import { PodReasons } from "../../../proxy/discovery/pods/pod-reasons.ts";
import type { ScalerState } from "../../../scaler/state.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import { pauseImage } from "../../cluster/images/pause.ts";
import { addresses, ports } from "../../cluster/layout.ts";
import { leftOvers } from "../../cluster/left-overs.ts";
import { startCluster } from "../../cluster/start-cluster.ts";
import { aloneOnTheMachine } from "../../helpers/alone.ts";
import { CliProcess } from "../../helpers/cli-process.ts";
import { startNatsServer } from "../../helpers/nats-server.ts";
import { poolEvent } from "../../helpers/pool-event.ts";

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
		until: untilOf(source),
		ready: () => expect.poll(() => source.ready().ok, { timeout: 10_000, interval: 20 }).toBe(true),
	};
}

function untilOf(source: DaemonSource): Seen["until"] {
	return (check) => {
		const { promise, resolve } = Promise.withResolvers<number>();
		const look = () => {
			if (!check(source.daemons)) return;
			stop();
			resolve(performance.now());
		};
		const stop = source.onChange(look);
		look();
		return promise;
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

test("the same pods in DNS: names and ordinals by SRV records, addresses without; none while there are none", async () => {
	await cluster.apply([service("named"), workload("StatefulSet", "named")]);
	const name = `named.${namespace}.svc.${addresses.domain}`;
	const servers = [`${addresses.node}:${ports.dns}`];
	const rules = { search: [`${namespace}.svc.${addresses.domain}`, addresses.domain], ndots: 5 };
	const open = (text: string) => {
		const lookup = new DnsLookup(parseDnsName(text)!, { servers, rules });
		const source = new DnsSource(text, { lookup, clock: systemClock, log: createLogger("silent") });
		onTestFinished(() => source.close());
		return { source, until: untilOf(source) };
	};
	const srv = open(`_buildkit._tcp.${name}.`);
	const plain = open("named:1234");
	const missing = open(`_buildkit._tcp.no-such-service.${namespace}.svc`);
	for (const { source } of [srv, plain, missing]) {
		await expect.poll(() => source.ready().ok, { timeout: 10_000, interval: 20 }).toBe(true);
		expect(source.daemons).toEqual([]);
		source.hurry(true);
	}
	await scale("statefulset/named", 2);
	const [zero, one] = await Promise.all([podIp("named-0"), podIp("named-1")]);
	const bothAt = await srv.until(ofNames("named-0", "named-1"));
	report("pod address to listed, by DNS", bothAt - Math.max(zero.at, one.at));
	const daemon = (ordinal: number, host: string) => ({
		name: `named-${ordinal}`,
		address: { t: "tcp", host, port: 1234 },
		ordinal,
		draining: false,
	});
	expect(srv.source.daemons).toEqual([daemon(0, zero.ip), daemon(1, one.ip)]);
	await plain.until(({ length }) => length === 2);
	const nameless = [zero.ip, one.ip].map((ip) => `${ip}:1234`).toSorted();
	expect(plain.source.daemons.map((found) => [found.name, found.ordinal])).toEqual(
		nameless.map((found) => [found, null]),
	);
	await scale("statefulset/named", 0);
	await Promise.all([srv.until(ofNames()), plain.until(ofNames())]);
	expect(missing.source.daemons).toEqual([]);
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

	// Why pods do not come is a help that needs more; without it nothing else changes.
	const log = createLogger("silent");
	const lines: string[] = [];
	log.info = (_fields: object, message?: string) => void lines.push(message ?? "");
	const api = new KubernetesPodApi(config, { namespace, service: "asked" });
	const reasons = new PodReasons("asked", { api, clock: systemClock, log });
	onTestFinished(() => reasons.close());
	reasons.hurry(true);
	await expect.poll(() => lines, { timeout: 10_000 }).toHaveLength(1);
	expect(lines[0]).toContain("the proxy may not list pods and get the Service");

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

/** Pods of a Service that run something else. */
function podsThat(name: string, app: string, script: string): object {
	const container = { name: "main", image: pauseImage, command: ["/bin/sh", "-c", script] };
	const labels = { app, run: name };
	const spec = {
		replicas: 1,
		selector: { matchLabels: labels },
		template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 1, containers: [container] } },
	};
	return { apiVersion: "apps/v1", kind: "Deployment", metadata: metadata(name), spec };
}

test("a scaler with --proxies-service knows the demand when each proxy was read, also one it never heard", async () => {
	const nats = await startNatsServer();
	onTestFinished(() => nats.kill());
	const { namespace, pool, snapshot } = poolEvent({ proxy: "POD:1234", sequence: 1, waiting: 2 });
	const body = JSON.stringify({ snapshots: [{ namespace, pool, snapshot }] });
	// Each second it says it anew.
	const write = `sed "s/POD/$HOSTNAME/; s/\\"sequence\\":1/\\"sequence\\":$n/" /tmp/body > /tmp/next; mv /tmp/next /tmp/www/snapshots`;
	const repeat = `n=0; while :; do n=$((n+1)); ${write}; sleep 1; done`;
	const serve = `mkdir /tmp/www; echo '${body}' > /tmp/body; (${repeat}) & exec httpd -f -p 1234 -h /tmp/www`;
	await cluster.apply([
		service("proxies"),
		podsThat("proxies-reading", "proxies", serve),
		// Nobody listens in this one.
		podsThat("proxies-starting", "proxies", "exec sleep 600"),
	]);
	for (const name of ["proxies-reading", "proxies-starting"])
		await cluster.kubectl(["rollout", "status", `deployment/${name}`, "--timeout=60s"]);
	process.env["KUBECONFIG"] = cluster.kubeconfigPath;
	onTestFinished(() => void delete process.env["KUBECONFIG"]);
	const anyPort = "127.0.0.1:0";
	const scaler = CliProcess.start(
		...["scaler", "--nats", nats.url, "--listen", anyPort, "--admin", anyPort],
		...["--proxies-service", "default/default=proxies", "--proxies-admin-port", "1234"],
	);
	const [, admin] = await scaler.line(/"admin":(\d+).*scaler ready/);
	const state = async () => (await (await fetch(`http://127.0.0.1:${admin}/state`)).json()) as ScalerState;
	const demand = async () => {
		const [pool] = (await state()).pools;
		return pool?.demand.t === "unknown" ? pool.demand.reason : pool?.demand;
	};
	await expect.poll(demand, { timeout: 20_000 }).toMatchObject({ t: "known", waiting: 2, active: 0 });

	// The API goes, and NATS: the list stays for as long as it can be true, and whoever is in it can be read.
	const apiserver = cluster.component("apiserver");
	await apiserver.kill();
	await nats.kill();
	await expect.poll(async () => (await state()).bus.t).toBe("disconnected");
	expect(await demand()).toMatchObject({ t: "known", waiting: 2 });
	await expect.poll(demand, { timeout: 40_000 }).toMatch(/the list of proxies is old$/);
	await apiserver.start();
	await expect.poll(demand, { timeout: 20_000 }).toMatchObject({ t: "known", waiting: 2 });
});
