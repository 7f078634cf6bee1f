// Scenarios a to d: the chart wakes real buildkitd for stock clients; nobody fails, everybody waits, and it sleeps again.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Cluster } from "../cluster/cluster.ts";
import { pauseImage } from "../cluster/images/pause.ts";
import { aloneOnTheMachine } from "../helpers/alone.ts";
import { buildContext, buildctl, buildx, type ClientTls } from "../helpers/build-client.ts";
import { TestCa } from "../helpers/certificates.ts";
import type { CliProcess } from "../helpers/cli-process.ts";
import { allSucceed, burst } from "./helpers/kube-burst.ts";
import { type ClientPod, startClientPod } from "./helpers/kube-clients.ts";
import { START_TIMEOUT_MS, startChartCluster, stopChartCluster } from "./helpers/kube-cluster.ts";
import { figures } from "./helpers/kube-figures.ts";
import { installRelease, type Release, type ReleaseOptions, upgradeRelease } from "./helpers/kube-release.ts";
import { Timeline, watchPool } from "./helpers/kube-timeline.ts";
import {
	certManagerKeys,
	createCertsKeys,
	putTlsSecret,
	shownByProxies,
	touchProxies,
} from "./helpers/kube-tls.ts";
import { observeWakes, ownShare, wakePhases } from "./helpers/kube-wake.ts";

aloneOnTheMachine();

let cluster: Cluster;
let client: ClientPod;

beforeAll(async () => {
	cluster = await startChartCluster();
	client = await startClientPod(cluster, "default");
}, START_TIMEOUT_MS);

afterAll(() => stopChartCluster(cluster));

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

/** a: a pod wakes for a build and sleeps after it, and its volume keeps the cache. */
async function cacheSurvives(options: ReleaseOptions & { kind: Release["kind"] }): Promise<void> {
	const release = await installRelease(cluster, options);
	const inside = () => client.build(release.insideAddress, { step: `echo ${options.name}` });
	const first = await coldBuild(release, `${options.kind}, first cold build, from a pod by name`, inside);
	expect(first).not.toContain("CACHED");
	const second = await coldBuild(release, `${options.kind}, second cold build, from a pod by name`, inside);
	expect(second).toMatch(/CACHED/);
	await coldBuild(release, `${options.kind}, cold build from outside by ClusterIP`, () =>
		fromOutside(release.outsideAddress),
	);
}

/** c: a wake that takes a minute: ten clients at once, buildctl and buildx, succeed at the first try. */
async function slowWake(): Promise<void> {
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
}

/**
 * d: TLS with client certificates ends at the proxy and begins anew to the daemons, first try, also while the proxy's
 * certificate is renewed; then it passes through. Secrets are as cert-manager and as create-certs make them.
 */
async function mutualTls(): Promise<void> {
	const namespace = "secure";
	const serverName = `${namespace}-proxy.${namespace}`;
	const ca = await TestCa.create();
	const user = await ca.sign("ci-1");
	const tls: ClientTls = { ...user, serverName };
	const daemonNames = [`DNS:${namespace}-daemons.${namespace}.svc`, `DNS:${serverName}`];
	const put = putTlsSecret.bind(undefined, cluster);
	await cluster.kubectl(["create", "namespace", namespace]);
	const proxySecret = { namespace, name: "proxy-certificate" };
	await put(proxySecret, await ca.sign("proxy", [`DNS:${serverName}`]), certManagerKeys);
	const daemonSecret = { namespace, name: "buildkit-daemon-certs" };
	await put(daemonSecret, await ca.sign("daemon", daemonNames), createCertsKeys);
	const clientSecret = { namespace, name: "buildkit-client-certs" };
	await put(clientSecret, await ca.sign("client"), createCertsKeys);

	const daemonTls = { secretName: daemonSecret.name, keys: createCertsKeys };
	const client = { secretName: clientSecret.name, keys: createCertsKeys };
	const values = (proxy: object, daemons: object) => ({
		proxy: { tls: proxy },
		daemons: { tls: daemons, persistence: { enabled: false } },
	});
	const release = await installRelease(cluster, {
		name: namespace,
		values: values(
			{ mode: "terminate", secretName: proxySecret.name, allowClients: ["cn:ci-*"] },
			{ ...daemonTls, client },
		),
	});
	const withFlags = "--tlscacert ca.pem --tlscert cert.pem --tlskey key.pem build";
	expect(release.notes).toContain(`buildctl --addr tcp://${serverName}:1234 ${withFlags}`);

	const succeeds = async (build: CliProcess) => {
		const code = await build.exited;
		expect(code, build.output).toBe(0);
		return build.output;
	};
	const refused = async (files: Partial<ClientTls>, why: string) => {
		const build = buildctl(release.outsideAddress, buildContext(), { ca: tls.ca, serverName, ...files });
		expect(await build.exited).not.toBe(0);
		expect(build.output).toContain(why);
	};
	await coldBuild(release, "TLS at the proxy, and to the daemons: buildctl and buildx at once", async () => {
		await refused({}, "a client certificate is needed");
		await refused(await ca.sign("stranger"), "cn:stranger may not use this pool");
		const long = buildctl(release.outsideAddress, buildContext("echo running; sleep 20"), tls);
		await succeeds(buildx(release.outsideAddress, buildContext(), tls));
		await long.line(/running$/);
		await put(proxySecret, await ca.sign("renewed", [`DNS:${serverName}`]), certManagerKeys);
		const shown = async () => {
			await touchProxies(cluster, release);
			return await shownByProxies(release, user, serverName);
		};
		await expect.poll(shown, { timeout: 30_000, interval: 1_000 }).toEqual(["renewed", "renewed"]);
		return await succeeds(long);
	});

	await upgradeRelease(cluster, release, values({ mode: "passthrough" }, daemonTls));
	await coldBuild(release, "TLS that passes through", () =>
		succeeds(buildctl(release.outsideAddress, buildContext(), tls)),
	);
}

// First, while the cluster has nothing else to do: each release that a test leaves keeps four processes.
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
		const total = between("accepted", "the daemon's first frame");
		process.stderr.write(
			`accept to first daemon byte, ${timelines.length} wakes\n${lines.join("\n")}\n` +
				`  in all             p50 ${String(total.p50).padStart(5)} ms  max ${String(total.max).padStart(5)} ms\n`,
		);
		const own = figures(timelines.map(ownShare));
		process.stderr.write(`  of which ours      p50 ${own.p50} ms  max ${own.max} ms\n`);
		// The rest is the machine's, mostly containerd's and kubelet's, which looks for pods once a second.
		expect(own.p50).toBeLessThan(60);
		expect(total.p50).toBeLessThan(2_000);
	} finally {
		await observer.close();
	}
});

test("cold builds, a burst, TLS, and a wake of a minute beside them", async () => {
	const quick = async () => {
		await Promise.all([
			cacheSurvives({ name: "stateful", kind: "StatefulSet" }),
			// One volume for one pod: that is how a Deployment keeps its cache.
			cacheSurvives({ name: "deployed", kind: "Deployment", values: { autoscaling: { maxReplicas: 1 } } }),
		]);
		// Not all at the start: each release has four processes that start at once.
		await Promise.all([burst(cluster, "burst", {}), mutualTls()]);
	};
	await Promise.all([slowWake(), quick()]);
});
