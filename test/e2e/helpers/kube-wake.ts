// One wake, seen from every side at once: client, bus, scaler, API server and the daemon's own log.
import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { systemClock } from "../../../common/clock.ts";
import { NatsBus } from "../../../events/nats-bus.ts";
import { connectExternalScaler } from "../../../protos/external-scaler.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import type { Release } from "./kube-release.ts";
import { Timeline, watchPool } from "./kube-timeline.ts";
import { until } from "./kube-until.ts";

/** In the order in which they happen; each lasts from the end of the one before it. */
export const wakePhases = [
	["event", "opened on the bus"],
	["push", "the scaler pushed"],
	["KEDA's write", "replicas 0 -> 1"],
	["pod created", "pod created"],
	["container started", "buildkitd's first log line"],
	["endpoint appears", "the daemon has an endpoint"],
	["first byte", "the daemon's first frame"],
] as const;

export interface WakeObserver {
	/** Wakes the sleeping pool with one request and waits until it sleeps again. */
	wake(): Promise<Timeline>;
	close(): Promise<void>;
}

export async function observeWakes(cluster: Cluster, release: Release): Promise<WakeObserver> {
	let timeline = new Timeline();
	const bus = new NatsBus({
		url: `nats://${await release.serviceIp("nats")}:4222`,
		name: "test",
		clock: systemClock,
	});
	bus.subscribe(({ type }) => {
		if (type === "connection.opened") timeline.mark("opened on the bus");
	});
	// A stream like KEDA's: both are written in the same turn of the scaler they are on.
	const scaler = connectExternalScaler(`${await release.serviceIp("scaler")}:6000`);
	const pushes = scaler.streamIsActive({
		name: "test",
		namespace: release.namespace,
		scalerMetadata: { pool: "default" },
	});
	pushes.on("error", () => {});
	pushes.on("data", ({ result }: { result: boolean }) => {
		if (result) timeline.mark("the scaler pushed");
	});
	await until("the test hears the bus", 10_000, async () => bus.status.t === "connected");
	return {
		async wake() {
			timeline = new Timeline();
			const watching = await watchPool(cluster, release, timeline);
			try {
				await firstAnswer(release.outsideAddress, timeline);
				await markLog(cluster, release, timeline);
				await release.asleep();
				return timeline;
			} finally {
				watching.close();
			}
		},
		async close() {
			pushes.cancel();
			scaler.close();
			await bus.close();
		},
	};
}

/** Asks for the workers, as every client does first, and leaves. */
async function firstAnswer(address: string, timeline: Timeline): Promise<void> {
	const { hostname, port } = new URL(address);
	const socket = net.connect(Number(port), hostname);
	await once(socket, "connect");
	timeline.mark("accepted");
	const session = http2.connect(address.replace("tcp:", "http:"), { createConnection: () => socket });
	// The first SETTINGS are the proxy's, which hold us.
	session.once("remoteSettings", () => {
		session.once("remoteSettings", () => timeline.mark("the daemon's first frame"));
	});
	const request = session.request({
		":method": "POST",
		":path": "/moby.buildkit.v1.Control/ListWorkers",
		"content-type": "application/grpc",
		te: "trailers",
	});
	request.end(Buffer.alloc(5));
	const [headers] = (await once(request, "response")) as [http2.IncomingHttpHeaders];
	timeline.mark("answered");
	if (headers["grpc-status"] !== undefined) throw new Error(`grpc-status ${headers["grpc-status"]}`);
	session.destroy();
}

/** Kubelet's times in a log have nanoseconds; those in a pod's status have seconds. */
async function markLog(cluster: Cluster, release: Release, timeline: Timeline): Promise<void> {
	const [pod] = await release.pods("daemons");
	const name = pod?.metadata?.name ?? "";
	timeline.mark("pod created", timeline.at(`${name} created`));
	const log = await cluster.kubectl(["logs", "--timestamps", "--namespace", release.namespace, name]);
	const lines = log.split("\n");
	const timeOf = (line: string | undefined) => new Date(line?.split(" ")[0] ?? "").getTime();
	const started = timeOf(lines[0]);
	timeline.mark("buildkitd's first log line", started);
	timeline.mark("buildkitd listens", timeOf(lines.find((line) => /running server on .*1234/.test(line))));
	// Kubelet reports a pod's address when it sees its containers run, up to a second after they do.
	const endpoint = timeline.at(`${name} has an endpoint`) ?? Number.NaN;
	timeline.mark("the daemon has an endpoint", Math.max(endpoint, started));
}

/** What we ourselves add to a wake, in ms: to tell KEDA, and to get through to a daemon that can be reached. */
export function ownShare(timeline: Timeline): number {
	const at = (what: string) => timeline.at(what) ?? Number.NaN;
	const reachable = Math.max(at("the daemon has an endpoint"), at("buildkitd listens"));
	// The log's times may be late: then there was nothing to wait for.
	return at("the scaler pushed") - at("accepted") + Math.max(0, at("the daemon's first frame") - reachable);
}
