// Replicas of `standalone` on real sockets, before an API server in memory (test/e2e/kube-standalone.test.ts has a real one).
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { createLogger } from "../../common/log.ts";
import { NatsBus } from "../../events/nats-bus.ts";
import type { PoolEvent } from "../../events/schema.ts";
import type { ElectionTimes } from "../../standalone/election/election.ts";
import { type Standalone, type StandaloneOptions, startStandalone } from "../../standalone/standalone.ts";
import { buildContext, buildctl } from "../helpers/build-client.ts";
import { startBuildkitd } from "../helpers/buildkitd.ts";
import { freePort } from "../helpers/free-port.ts";
import { startNatsServer } from "../helpers/nats-server.ts";
import { RawClient } from "../helpers/raw-client.ts";
import { startStandIn } from "../helpers/stand-in-daemon.ts";
import { StoredLease } from "../helpers/stored-lease.ts";
import { StoredScale } from "../helpers/stored-scale.ts";
import { TestSource, testPool } from "../helpers/test-proxy.ts";

const anyPort = { host: "127.0.0.1", port: 0 };
/** As in a cluster, but five times as fast. */
const electionTimes: ElectionTimes = { leaseMs: 3_000, renewDeadlineMs: 2_000, retryMs: 400 };

interface Replica extends Standalone {
	readonly lease: ReturnType<StoredLease["api"]>;
	readonly source: TestSource;
	state(): Promise<{ standalone: { leads: boolean; replicas: number | null; why: string | null } }>;
	ready(): Promise<string>;
}

/** A workload of stand-ins, as many as its replicas, and the replicas of ours that scale it. */
async function pool(replicas: number, maxReplicas = 3) {
	const daemons = await Promise.all(Array.from({ length: maxReplicas }, () => startStandIn()));
	return workloadOf(
		daemons.map(({ port }) => port),
		replicas,
	);
}

/** The same of daemons that listen at these ports, whatever the replicas are. */
function workloadOf(ports: readonly number[], replicas: number) {
	const maxReplicas = ports.length;
	const scale = new StoredScale(replicas);
	const lease = new StoredLease();
	const sources: TestSource[] = [];
	const list = (source: TestSource) => source.set(ports.slice(0, scale.replicas));
	scale.onWrite = () => {
		for (const source of sources) list(source);
	};
	const start = async (
		id: string,
		options: Partial<StandaloneOptions<TestSource>> & { alone?: true } = {},
	): Promise<Replica> => {
		const source = new TestSource();
		list(source);
		sources.push(source);
		const leaseApi = lease.api();
		const standalone = await startStandalone(
			{
				id,
				workload: { kind: "StatefulSet", namespace: "default", name: "buildkitd" },
				maxReplicas,
				idleTimeoutMs: 1_500,
				absentAfterMs: 600_000,
				verifyZero: false,
				daemonTls: undefined,
				admin: anyPort,
				advertised: (port) => `127.0.0.1:${port}`,
				nats: undefined,
				traces: undefined,
				drainGraceMs: 0,
				drainTimeoutMs: 5_000,
				limits: {},
				electionTimes,
				...options,
				pool: { ...(options.pool ?? testPool({ capacity: 1, name: "buildkitd" })), source },
			},
			{
				openSource: () => async (settings) => {
					// As a cluster's: the pool begins later than the process.
					await new Promise((resolve) => setTimeout(resolve, 10));
					return { source: settings.source, close: () => {} };
				},
				scaleApi: scale,
				leaseApi: options.alone ? undefined : leaseApi,
				writeCost: undefined,
				clock: systemClock,
				log: createLogger("silent"),
			},
		);
		let stopped: Promise<void> | undefined;
		const once = (stop: () => Promise<void>) => {
			stopped ??= stop();
			return stopped;
		};
		onTestFinished(() => once(() => standalone.kill()));
		const get = async (path: string) => await fetch(`http://127.0.0.1:${standalone.adminPort}/${path}`);
		return {
			...standalone,
			drain: () => once(() => standalone.drain()),
			kill: () => once(() => standalone.kill()),
			lease: leaseApi,
			source,
			state: async () => (await (await get("state")).json()) as Awaited<ReturnType<Replica["state"]>>,
			ready: async () => (await get("readyz")).text(),
		};
	};
	return { scale, lease, start };
}

const leads = async (replica: Replica) => (await replica.state()).standalone.leads;
const slow = { timeout: 15_000, interval: 20 };

test("alone: the first build wakes the pool, four at once get all daemons there may be, and it sleeps after the idle timeout", async () => {
	const { scale, start } = await pool(0);
	const one = await start("one", { alone: true });
	const clients = await Promise.all(Array.from({ length: 4 }, () => RawClient.opened(one.listening.port)));
	await expect.poll(() => scale.replicas, slow).toBe(3);
	// Not 1 first and 3 later: with those that had come by then.
	expect(scale.calls.filter((call) => call.startsWith("patch")).length).toBeLessThanOrEqual(3);
	for (const client of clients) client.socket.destroy();
	const endedAt = performance.now();
	await expect.poll(() => scale.replicas, slow).toBe(0);
	expect(performance.now() - endedAt).toBeGreaterThan(1_400);
	const metrics = await (await fetch(`http://127.0.0.1:${one.adminPort}/metrics`)).text();
	expect(metrics).toMatch(/^buildkit_standalone_leader 1$/m);
	expect(metrics).toMatch(/^buildkit_standalone_replicas{namespace="default",pool="buildkitd"} 0$/m);
	expect(metrics).toMatch(/^buildkit_standalone_writes_total{direction="down",outcome="scaled"} 1$/m);
});

test("a daemon that cannot be asked whether it builds is not scaled away, and /state says so", async () => {
	const { scale, start } = await pool(1);
	const one = await start("one", { alone: true, verifyZero: true, idleTimeoutMs: 100 });
	const asked = async () =>
		(await (await fetch(`http://127.0.0.1:${one.adminPort}/state`)).text()).includes("asked");
	await expect.poll(asked, slow).toBe(true);
	await new Promise((resolve) => setTimeout(resolve, 3_000));
	expect(scale.replicas).toBe(1);
});

test("a real daemon: builds through two replicas, then one around them, and it goes when no build is on it", async () => {
	const port = await freePort();
	await startBuildkitd(port);
	const { scale, start } = workloadOf([port], 0);
	const own = { verifyZero: true, pool: testPool({ name: "buildkitd", capacity: 4 }) };
	const [a, b] = [await start("a", own), await start("b", own)];
	await expect.poll(() => b.ready()).toBe("ready\n");
	const builds = [a, b].map(({ listening }) => buildctl(`tcp://127.0.0.1:${listening.port}`));
	const around = buildctl(`tcp://127.0.0.1:${port}`, buildContext("sleep 8"));
	for (const build of builds) expect(await build.exited, build.output).toBe(0);
	let isOver = false;
	void around.exited.then(() => {
		isOver = true;
	});
	await expect.poll(() => scale.replicas === 0 || isOver, { timeout: 25_000, interval: 20 }).toBe(true);
	expect([scale.replicas, isOver]).toEqual([1, true]);
	expect(await around.exited, around.output).toBe(0);
	await expect.poll(() => scale.replicas, slow).toBe(0);
}, 60_000);

test("two replicas: one scales for both, at once, and counts what is on the other", async () => {
	const { scale, start, lease } = await pool(0);
	const a = await start("a");
	await expect.poll(() => a.ready()).toBe("ready\n");
	const b = await start("b");
	await expect.poll(() => b.ready()).toBe("ready\n");
	await expect.poll(async () => [await leads(a), await leads(b)]).toEqual([true, false]);
	await expect.poll(async () => (await a.state()).standalone.why, slow).toBeNull();
	expect(Object.keys(lease.lease.members).toSorted()).toEqual(["a", "b"]);

	// At the one that does not lead; the leader hears it.
	const client = await RawClient.opened(b.listening.port);
	const waitedFrom = performance.now();
	await expect.poll(() => scale.replicas, { timeout: 5_000, interval: 5 }).toBe(1);
	expect(performance.now() - waitedFrom).toBeLessThan(1_000);
	const other = await RawClient.opened(a.listening.port);
	await expect.poll(() => scale.replicas, slow).toBe(2);
	other.socket.destroy();
	// The other one's build is on some daemon: that one stays, for much longer than the idle timeout.
	await new Promise((resolve) => setTimeout(resolve, 3_500));
	expect(scale.replicas).toBeGreaterThan(0);
	client.socket.destroy();
	await expect.poll(() => scale.replicas, slow).toBe(0);
	expect(b.lease.writes).toBe(1);
});

test("the one that scales stops in good order: the other one does at once, and is not kept by who has left", async () => {
	const { scale, start } = await pool(1);
	const a = await start("a");
	await expect.poll(() => leads(a)).toBe(true);
	const b = await start("b");
	await expect.poll(() => b.ready()).toBe("ready\n");
	await a.drain();
	await expect.poll(() => leads(b), { timeout: 1_500, interval: 20 }).toBe(true);
	await expect.poll(() => scale.replicas, slow).toBe(0);
	await RawClient.opened(b.listening.port);
	await expect.poll(() => scale.replicas, slow).toBe(1);
});

test("one that is silent may carry builds: nothing goes to zero, and whoever waits is served all the same", async () => {
	const { scale, start, lease } = await pool(1);
	const a = await start("a");
	await expect.poll(() => leads(a)).toBe(true);
	// In the list, and nobody there: it has crashed, or its network is gone.
	lease.lease = {
		...lease.lease,
		members: { ...lease.lease.members, ghost: { incarnation: 1, admin: "127.0.0.1:1" } },
	};
	await expect.poll(async () => (await a.state()).standalone.why, slow).toBe("replica ghost is silent");
	await new Promise((resolve) => setTimeout(resolve, 3_000));
	expect(scale.replicas).toBe(1);
	await RawClient.opened(a.listening.port);
	await RawClient.opened(a.listening.port);
	await expect.poll(() => scale.replicas, slow).toBe(2);
});

test("one that cannot reach the Lease is not ready, for nobody would know of its builds; one that loses it serves on", async () => {
	const { start, scale, lease } = await pool(0);
	const a = await start("a");
	await expect.poll(() => a.ready()).toBe("ready\n");
	const { ScalerError } = await import("../../common/error.ts");
	const forbidden = new ScalerError("KUBERNETES_FORBIDDEN", "Lease default/x: forbidden (403)");
	a.lease.fails = forbidden;
	await expect.poll(() => leads(a), slow).toBe(false);
	expect(await a.ready()).toBe("ready\n");
	await RawClient.opened(a.listening.port);
	await new Promise((resolve) => setTimeout(resolve, 500));
	expect(scale.replicas).toBe(0);
	a.lease.fails = undefined;
	await expect.poll(() => scale.replicas, slow).toBe(1);
	const read = lease.api.bind(lease);
	lease.api = () => Object.assign(read(), { fails: forbidden });
	const b = await start("b");
	expect(await b.ready()).toContain("not ready: the other replicas do not know this one yet");
	await expect.poll(() => b.ready(), slow).toContain("forbidden (403)");
});

test("one whom nobody reads is not ready, for builds that wait there would wake nobody", async () => {
	const { start, lease } = await pool(0);
	const a = await start("a");
	await expect.poll(() => leads(a)).toBe(true);
	// As behind a NetworkPolicy that keeps replicas apart.
	const b = await start("b", { advertised: () => "127.0.0.1:1" });
	await expect.poll(() => Object.keys(lease.lease.members)).toContain("b");
	const unread = "not ready: no other replica reads what this one says (127.0.0.1:1)\n";
	await expect.poll(() => b.ready(), slow).toBe(unread);
	await new Promise((resolve) => setTimeout(resolve, 1_000));
	expect(await b.ready()).toBe(unread);
	expect(await a.ready()).toBe("ready\n");
	// Then it is the one that scales, and nobody has to read it.
	await a.drain();
	await expect.poll(() => b.ready(), slow).toBe("ready\n");
});

test("what a replica says goes to NATS too, where one is given, and one that is away holds nothing up", async () => {
	const server = await startNatsServer();
	onTestFinished(() => server.kill());
	const heard: PoolEvent[] = [];
	const listener = new NatsBus({ url: server.url, name: "test", clock: systemClock });
	onTestFinished(() => listener.close());
	listener.subscribe((event) => heard.push(event));
	await expect.poll(() => listener.status.t).toBe("connected");
	const { start, scale } = await pool(0);
	const one = await start("one", { alone: true, nats: { url: server.url, files: {} } });
	await expect.poll(() => heard.map(({ type }) => type)).toContain("proxy.state");
	const client = await RawClient.opened(one.listening.port);
	await expect.poll(() => heard.map(({ type }) => type)).toContain("connection.opened");
	client.socket.destroy();
	await expect.poll(() => scale.replicas, slow).toBe(0);
	await server.kill();
	expect(await one.ready()).toBe("ready\n");
	await RawClient.opened(one.listening.port);
	await expect.poll(() => scale.replicas, slow).toBe(1);
});
