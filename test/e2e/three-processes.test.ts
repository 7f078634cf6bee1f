import { describe, expect, onTestFinished, test } from "vitest";
import { connectExternalScaler, type ExternalScalerClient } from "../../protos/external-scaler.ts";
import { aloneOnTheMachine } from "../helpers/alone.ts";
import { buildContext, buildctl } from "../helpers/build-client.ts";
import { startBuildkitd } from "../helpers/buildkitd.ts";
import { CliProcess } from "../helpers/cli-process.ts";
import { freePort } from "../helpers/free-port.ts";
import { type NatsServer, startNatsServer } from "../helpers/nats-server.ts";

aloneOnTheMachine();

const ref = { name: "buildkitd", namespace: "default", scalerMetadata: { pool: "default" } };
const anyPort = "127.0.0.1:0";

async function nats(port = 0): Promise<NatsServer> {
	const server = await startNatsServer(port);
	onTestFinished(() => server.kill());
	return server;
}

async function startProxy(
	natsUrl: string,
	daemonPort: number,
): Promise<{ port: number; process: CliProcess }> {
	const started = CliProcess.start(
		"proxy",
		...["--pool", "default", "--namespace", "default", "--listen", anyPort, "--admin", anyPort],
		...["--daemons", `127.0.0.1:${daemonPort}`, "--nats", natsUrl, "--drain-grace", "0s"],
	);
	const [, port] = await started.line(/"port":(\d+).*pool ready/);
	return { port: Number(port), process: started };
}

async function startScaler(
	natsUrl: string,
	listen = anyPort,
): Promise<{ address: string; process: CliProcess }> {
	const started = CliProcess.start("scaler", "--listen", listen, "--admin", anyPort, "--nats", natsUrl);
	const [, port] = await started.line(/"port":(\d+).*scaler ready/);
	return { address: `127.0.0.1:${port}`, process: started };
}

function keda(address: string): ExternalScalerClient {
	const client = connectExternalScaler(address);
	onTestFinished(() => client.close());
	return client;
}

/** What KEDA would read: the metric, or the gRPC code that makes it keep the replicas. */
async function readDemand(client: ExternalScalerClient): Promise<number | "UNAVAILABLE"> {
	try {
		const { metricValues } = await client.getMetrics(ref, "builds");
		return metricValues[0]!.metricValueFloat;
	} catch (error) {
		if (error instanceof Error && "code" in error && error.code === 14) return "UNAVAILABLE";
		throw error;
	}
}

/** Reads every 20 ms until `stop`; resolves with each answer and when it came. */
function watchDemand(read: () => Promise<number | "UNAVAILABLE">) {
	const answers: { answer: number | "UNAVAILABLE"; at: number }[] = [];
	let stopped = false;
	const done = (async () => {
		while (!stopped) {
			answers.push({ answer: await read(), at: performance.now() });
			await new Promise((resolve) => setTimeout(resolve, 20));
		}
	})();
	return {
		answers,
		async stop() {
			stopped = true;
			await done;
		},
	};
}

async function firstRight(client: ExternalScalerClient, expected: number): Promise<number> {
	while ((await readDemand(client)) !== expected) {
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
	return performance.now();
}

describe("proxy, scaler and nats-server as three processes", () => {
	test("a client's first bytes are a push within 50 ms", async () => {
		const { url } = await nats();
		const { address } = await startScaler(url);
		const proxy = await startProxy(url, await freePort());
		await proxy.process.line(/"t":"connected"/);
		const client = keda(address);
		await firstRight(client, 0);
		const stream = client.streamIsActive(ref);
		stream.on("error", () => {});
		const tookMs: number[] = [];
		for (let round = 0; round < 10; round++) {
			const pushed = new Promise<number>((resolve) => stream.once("data", () => resolve(performance.now())));
			const build = buildctl(`tcp://127.0.0.1:${proxy.port}`);
			const { atMs } = await proxy.process.line(new RegExp(`-${round + 1}".*build waiting`));
			tookMs.push((await pushed) - (proxy.process.startedAt + atMs));
			build.child.kill("SIGKILL");
			await build.exited;
			await firstRight(client, 0);
		}
		stream.cancel();
		console.log(`waiting to push received, n=10: ${tookMs.map((ms) => ms.toFixed(1)).join(" ")} ms`);
		for (const ms of tookMs) expect(ms).toBeLessThan(50);
	});

	test("nats-server killed and restarted during a build: demand never reads 0, right within 6 s", async () => {
		const server = await nats();
		const daemonPort = await freePort();
		await startBuildkitd(daemonPort);
		const { address } = await startScaler(server.url);
		const proxy = await startProxy(server.url, daemonPort);
		await proxy.process.line(/"t":"connected"/);
		const client = keda(address);
		await firstRight(client, 0);
		const build = buildctl(`tcp://127.0.0.1:${proxy.port}`, buildContext("sleep 12"));
		await firstRight(client, 4);
		const watch = watchDemand(() => readDemand(client));
		await server.kill();
		while (watch.answers.at(-1)?.answer !== "UNAVAILABLE") await new Promise((r) => setTimeout(r, 5));
		const { port } = server;
		const back = performance.now();
		await nats(port);
		const rightAfterMs = (await firstRight(client, 4)) - back;
		await watch.stop();
		expect(watch.answers.map(({ answer }) => answer)).not.toContain(0);
		expect(rightAfterMs).toBeLessThan(6_000);
		expect(await build.exited, build.output).toBe(0);
		console.log(`nats-server back: right after ${Math.round(rightAfterMs)} ms`);
	});

	test("scaler restarted during a build: the same", async () => {
		const { url } = await nats();
		const daemonPort = await freePort();
		await startBuildkitd(daemonPort);
		const first = await startScaler(url);
		const proxy = await startProxy(url, daemonPort);
		await proxy.process.line(/"t":"connected"/);
		await firstRight(keda(first.address), 0);
		const build = buildctl(`tcp://127.0.0.1:${proxy.port}`, buildContext("sleep 10"));
		await firstRight(keda(first.address), 4);
		first.process.child.kill("SIGKILL");
		await first.process.exited;
		await startScaler(url, first.address);
		// From here on KEDA can ask it; until then it is a machine that starts a program.
		const back = performance.now();
		const client = keda(first.address);
		const watch = watchDemand(() => readDemand(client));
		const rightAfterMs = (await firstRight(client, 4)) - back;
		await watch.stop();
		expect(watch.answers.map(({ answer }) => answer)).not.toContain(0);
		expect(rightAfterMs).toBeLessThan(6_000);
		expect(await build.exited, build.output).toBe(0);
		console.log(`scaler back: right after ${Math.round(rightAfterMs)} ms`);
	});
});
