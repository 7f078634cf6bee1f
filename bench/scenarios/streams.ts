import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { systemClock } from "../../common/clock.ts";
import { NatsBus } from "../../events/nats-bus.ts";
import { heartbeatMs } from "../../events/schema.ts";
import { type ClientStreams, type Connection, wallTime } from "../../test/conformance/client.ts";
import { endGoClients, grpcGo } from "../../test/conformance/go-client.ts";
import { startServer } from "../../test/helpers/child.ts";
import type { Cleanup } from "../../test/helpers/cleanup.ts";
import { startNatsServer } from "../../test/helpers/nats-server.ts";
import { poolEvent } from "../../test/helpers/pool-event.ts";
import { scaledObject } from "../../test/helpers/scaler.ts";
import { projectRoot } from "../../test/tools/paths.ts";
import { quantile } from "../stats.ts";
import { table } from "../table.ts";
import type { Scenario } from "./scenario.ts";

const scaledObjects = 1_000;
const callsPerSecond = 300;
const seconds = 60;
const pushRounds = 20;
const manyStreams = 10_000;

const readyLine = z.object({ msg: z.literal("scaler ready"), port: z.number() });
const poolName = (index: number) => `pool-${index}`;
const refOf = (index: number) => scaledObject({ pool: poolName(index), buildsPerDaemon: "4" });

/** What a scaler costs KEDA on a large cluster: its one connection, by KEDA's own gRPC implementation. */
export const streams: Scenario = async (_options, cleanup) => {
	cleanup.add(endGoClients);
	const nats = await startNatsServer();
	cleanup.add(() => nats.kill());
	const proxy = await startProxy(cleanup, nats.url);
	const scaler = await startScaler(cleanup, nats.url);
	const keda = grpcGo.connect(`127.0.0.1:${scaler.port}`);
	await synced(keda);

	const active = openAll(keda, "StreamIsActive");
	const specs = openAll(keda, "StreamMetricSpec");
	await Promise.all(specs.map((stream) => stream.received(1)));
	const load = await keda.load(calls(), { perSecond: callsPerSecond, seconds });
	const each = await pushes(active, (round) => {
		for (let pool = 0; pool < scaledObjects; pool++) proxy.say(pool, round % 2);
	});
	const one = keda.streams("StreamIsActive", refOf(scaledObjects), scaledObjects);
	await synced(keda);
	const shared = await pushes([one], (round) => proxy.say(scaledObjects, round % 2));

	const other = await startScaler(cleanup, nats.url);
	const idleMb = residentMb(other.pid);
	const many = grpcGo.connect(`127.0.0.1:${other.port}`);
	await synced(many);
	await many.streams("StreamMetricSpec", refOf(0), manyStreams).received(1);
	const manyMb = residentMb(other.pid);

	process.stdout.write(
		`streams: ${scaledObjects} ScaledObjects on one grpc-go connection (2 streams each, as KEDA 2.21), real nats-server\n`,
	);
	const row = (what: string, samples: readonly number[]) => [
		what,
		`${samples.length}`,
		...[quantile(samples, 0.5), quantile(samples, 0.99), Math.max(...samples)].map((ms) => ms.toFixed(1)),
	];
	process.stdout.write(
		table(
			["", "n", "p50 ms", "p99 ms", "max ms"],
			[
				row(`${callsPerSecond} calls/s for ${seconds} s`, load.ms),
				row(`${scaledObjects} pools wake at once: to the last push`, each),
				row(`one pool with ${scaledObjects} streams wakes: to the last push`, shared),
			],
		),
	);
	process.stdout.write(`answers   ${JSON.stringify(load.codes)}\n`);
	process.stdout.write(
		`memory    ${idleMb.toFixed(0)} MB idle, ${manyMb.toFixed(0)} MB with ${manyStreams} streams\n`,
	);
	return [
		{ what: "streams, p99 of a call, in ms", value: quantile(load.ms, 0.99), atMost: 100 },
		{
			what: `streams, median push to all ${scaledObjects} ScaledObjects, in ms`,
			value: quantile(each, 0.5),
			atMost: 50,
		},
		{
			what: `streams, median push to ${scaledObjects} streams of a pool, in ms`,
			value: quantile(shared, 0.5),
			atMost: 50,
		},
		{ what: `streams, memory with ${manyStreams} streams, in MB`, value: manyMb, atMost: 300 },
	];
};

/** How long it takes, in each wake, from the first event to the receipt of the last push. */
async function pushes(all: readonly ClientStreams[], say: (round: number) => void): Promise<number[]> {
	const took: number[] = [];
	for (let round = 0; round < 2 * pushRounds; round++) {
		const saidAt = wallTime();
		say(round + 1);
		if (round % 2 === 1) {
			// Idle again: nothing to hear.
			await sleep(200);
			continue;
		}
		const received = all[0]?.all[0]?.messages.length ?? 0;
		await Promise.all(all.map((stream) => stream.received(received + 1)));
		const lastAt = Math.max(...all.flatMap((stream) => stream.all.map(({ times }) => times.at(-1) ?? 0)));
		took.push(lastAt - saidAt);
	}
	return took;
}

/** A proxy of many pools that speaks on NATS as ours do. */
async function startProxy(cleanup: Cleanup, url: string) {
	const bus = new NatsBus({ url, name: "bench proxy", clock: systemClock });
	const waiting = Array.from({ length: scaledObjects + 1 }, () => 0);
	let sequence = 0;
	const say = (pool: number, builds: number) => {
		waiting[pool] = builds;
		// Served ones, so that no repeat for somebody who waits falls into a round.
		const busy = builds === 0 ? [] : [builds];
		bus.publish(poolEvent({ pool: poolName(pool), busy, sequence: sequence++ }));
	};
	const sayAll = () => {
		for (const [pool, builds] of waiting.entries()) say(pool, builds);
	};
	bus.onAskForStates(sayAll);
	bus.onStatus(({ t }) => t === "connected" && sayAll());
	const heartbeat = setInterval(sayAll, heartbeatMs);
	cleanup.add(() => {
		clearInterval(heartbeat);
		return bus.close();
	});
	return { say };
}

/** The scaler as it is deployed: a process of its own. */
async function startScaler(cleanup: Cleanup, natsUrl: string): Promise<{ port: number; pid: number }> {
	const args = [
		...[join(projectRoot, "cli", "main.ts"), "scaler", "--nats", natsUrl, "--expected-proxies", "proxy-0"],
		...["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
	];
	const server = startServer(cleanup, process.execPath, args);
	const { port } = await server.line((line) => {
		try {
			return readyLine.safeParse(JSON.parse(line)).data;
		} catch {
			return undefined;
		}
	});
	return { port, pid: server.pid };
}

async function synced(keda: Connection): Promise<void> {
	while ((await keda.call("IsActive", refOf(scaledObjects))).outcome !== "OK") await sleep(50);
}

function openAll(keda: Connection, method: "StreamIsActive" | "StreamMetricSpec"): ClientStreams[] {
	return Array.from({ length: scaledObjects }, (_, index) => keda.streams(method, refOf(index), 1));
}

/** What a poll of KEDA and a read of the HPA ask. */
function calls() {
	return Array.from({ length: scaledObjects }, (_, index) => [
		{ method: "GetMetricSpec", request: refOf(index) } as const,
		{ method: "GetMetrics", request: { scaledObjectRef: refOf(index), metricName: "builds" } } as const,
		{ method: "IsActive", request: refOf(index) } as const,
	]).flat();
}

function residentMb(pid: number): number {
	const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
	return (Number(kib) * 1024) / 1e6;
}
