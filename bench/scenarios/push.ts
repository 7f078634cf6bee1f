import { connectExternalScaler, type ExternalScalerClient } from "../../protos/external-scaler.ts";
import { startServer } from "../../test/helpers/child.ts";
import type { Cleanup } from "../../test/helpers/cleanup.ts";
import { freePort } from "../../test/helpers/free-port.ts";
import { startNatsServer } from "../../test/helpers/nats-server.ts";
import { RawClient } from "../../test/helpers/raw-client.ts";
import { projectRoot } from "../../test/tools/paths.ts";
import { median, quantile } from "../stats.ts";
import { table } from "../table.ts";
import type { Scenario } from "./scenario.ts";

/** What was agreed on for the way from a client's connect to KEDA, in ms. */
const atMost = { p50: 3, p99: 20 } as const;
/** Rounds that the JIT may spoil. */
const warmUpRounds = 50;
const longestPushMs = 5_000;

/** A pool that sleeps: nobody listens there. */
const noDaemon = "127.0.0.1:1";
const ref = { name: "bench", namespace: "default", scalerMetadata: { pool: "default" } };

/** From a client's connect to the wake-up that KEDA receives: proxy, NATS and scaler as processes of their own. */
export const push: Scenario = async (options, cleanup) => {
	const { runs = 500 } = options;
	const { proxyPort, keda } = await startAll(cleanup);
	const stream = keda.streamIsActive(ref);
	cleanup.add(async () => stream.cancel());
	stream.on("error", () => {});
	const samples: number[] = [];
	for (let round = -warmUpRounds; round < runs; round++) {
		const pushed = new Promise<number>((resolve, reject) => {
			const late = setTimeout(() => reject(new Error("no push came")), longestPushMs);
			stream.once("data", () => {
				clearTimeout(late);
				resolve(performance.now());
			});
		});
		const startedAt = performance.now();
		const client = await RawClient.opened(proxyPort);
		const tookMs = (await pushed) - startedAt;
		if (round >= 0) samples.push(tookMs);
		client.socket.destroy();
		await asleep(keda);
	}
	const figures = [Math.min(...samples), median(samples), quantile(samples, 0.9), quantile(samples, 0.99)];
	const cells = [...figures, Math.max(...samples)].map((value) => value.toFixed(3));
	process.stdout.write("push: a client connects, and KEDA's stream is told to wake the pool\n");
	process.stdout.write(
		table(
			["", "n", "min ms", "p50 ms", "p90 ms", "p99 ms", "max ms"],
			[["push", `${samples.length}`, ...cells]],
		),
	);
	return [
		{ what: "push, p50 in ms", value: median(samples), atMost: atMost.p50 },
		{ what: "push, p99 in ms", value: quantile(samples, 0.99), atMost: atMost.p99 },
	];
};

async function startAll(cleanup: Cleanup) {
	const nats = await startNatsServer();
	cleanup.add(() => nats.kill());
	const main = `${projectRoot}/cli/main.ts`;
	const [proxyPort, scalerPort] = [await freePort(), await freePort()];
	const shared = ["--nats", nats.url, "--admin", "127.0.0.1:0"];
	const scaler = startServer(cleanup, process.execPath, [
		...[main, "scaler", "--listen", `127.0.0.1:${scalerPort}`, "--expected-proxies", "bench", ...shared],
	]);
	await scaler.line((line) => line.includes('"scaler ready"') || undefined);
	const proxy = startServer(cleanup, process.execPath, [
		...[
			main,
			"proxy",
			"--listen",
			`127.0.0.1:${proxyPort}`,
			"--id",
			"bench",
			"--daemons",
			noDaemon,
			...shared,
		],
	]);
	await proxy.line((line) => line.includes('"proxy ready"') || undefined);
	const keda = connectExternalScaler(`127.0.0.1:${scalerPort}`);
	cleanup.add(async () => keda.close());
	await scaler.ready(() => keda.isActive(ref));
	return { proxyPort, keda };
}

/** Resolves when the scaler knows that nobody builds: only then is the next build a wake-up. */
async function asleep(keda: ExternalScalerClient): Promise<void> {
	while ((await keda.isActive(ref)).result) await new Promise((resolve) => setTimeout(resolve, 2));
}
