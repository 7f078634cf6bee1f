/** A scaler in a process of its own, on a real nats-server, and a proxy that speaks there. */
import { setTimeout as delay } from "node:timers/promises";
import { onTestFinished } from "vitest";
import { CliProcess } from "../helpers/cli-process.ts";
import { connected, NatsProxy } from "../helpers/nats-proxy.ts";
import { type NatsServer, startNatsServer } from "../helpers/nats-server.ts";
import { scaledObject } from "../helpers/scaler.ts";
import type { Connection } from "./client.ts";

/** NATS, and a proxy that speaks on it. */
export async function nats(): Promise<{ server: NatsServer; proxy: NatsProxy }> {
	const server = await startNatsServer();
	onTestFinished(() => server.kill());
	const proxy = new NatsProxy(server.url);
	onTestFinished(() => proxy.close());
	await connected(proxy.bus);
	return { server, proxy };
}

/** A scaler of its own process, ready to be asked. */
export async function scalerProcess({ url }: NatsServer, ...flags: readonly string[]) {
	const started = CliProcess.start(
		"scaler",
		...["--admin", "127.0.0.1:0", "--nats", url],
		...(flags.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"]),
		...flags,
	);
	const [, port, admin] = await started.line(/"port":(\d+),"admin":(\d+).*"scaler ready"/);
	const get = async (path: string) => (await fetch(`http://127.0.0.1:${admin}${path}`)).text();
	const openStreams = async (): Promise<number> => {
		const { pools } = JSON.parse(await get("/state")) as { pools: { streams: number }[] };
		return pools.reduce((sum, { streams }) => sum + streams, 0);
	};
	return { started, address: `127.0.0.1:${port}`, get, openStreams, pid: started.child.pid };
}

/** It need not wait for proxies that it does not know of. */
export const knowsTheProxy = ["--expected-proxies", "proxy-0"] as const;
const metrics = { scaledObjectRef: scaledObject(), metricName: "builds" };
export const allMethods = [
	{ method: "GetMetricSpec", request: scaledObject() },
	{ method: "GetMetrics", request: metrics },
	{ method: "IsActive", request: scaledObject() },
] as const;

/** What the scaler says a pool's value is, or the code of its error. */
export async function ask(keda: Connection): Promise<number | string | undefined> {
	const { outcome, message } = await keda.call("GetMetrics", metrics);
	const { metricValues } = (message ?? { metricValues: [] }) as { metricValues: { metricValue: number }[] };
	return outcome === "OK" ? metricValues[0]?.metricValue : outcome.split(":")[0];
}

/** All answers there were until `wanted`, without repeats. */
export async function answersUntil(keda: Connection, wanted: number | string) {
	const answers: unknown[] = [];
	while (answers.at(-1) !== wanted) {
		const answer = await ask(keda);
		if (answers.at(-1) !== answer) answers.push(answer);
		await delay(10);
	}
	return answers;
}
