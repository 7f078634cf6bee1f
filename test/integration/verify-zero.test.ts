import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { TlsCredentials } from "../../common/tls-credentials.ts";
import { MemoryBus } from "../../events/memory-bus.ts";
import type { PoolEvent } from "../../events/schema.ts";
import type { ScalerOptions } from "../../scaler/scaler.ts";
import { buildContext, buildctl } from "../helpers/build-client.ts";
import { startBuildkitd } from "../helpers/buildkitd.ts";
import { TestCa } from "../helpers/certificates.ts";
import { freePort } from "../helpers/free-port.ts";
import { poolEvent } from "../helpers/pool-event.ts";
import { outcome, scaledObject, startTestScaler } from "../helpers/scaler.ts";

/** A scaler that hears of one daemon, on which no proxy has a build. */
async function startScaler(port: number, options: Partial<ScalerOptions> = {}) {
	const bus = new MemoryBus();
	const { keda, scaler, stop } = await startTestScaler(
		{ bus, clock: systemClock },
		{ expectedProxies: ["proxy-0"], ...options },
	);
	onTestFinished(stop);
	const event = poolEvent({ busy: [0] });
	const daemons = event.snapshot.daemons.map((daemon) => ({ ...daemon, address: `127.0.0.1:${port}` }));
	bus.publish({ ...event, snapshot: { ...event.snapshot, daemons } } as PoolEvent);
	await Promise.resolve();
	const metric = async () =>
		(await keda.getMetrics(scaledObject(), "builds")).metricValues[0]?.metricValueFloat;
	const isActive = async () => (await keda.isActive(scaledObject())).result;
	return { keda, scaler, metric, isActive };
}

describe("a real buildkitd", () => {
	test("with a build that came around the proxy keeps its pool; without one it does not, nor when it is gone", async () => {
		const port = await freePort();
		const daemon = await startBuildkitd(port);
		const { metric, isActive, scaler } = await startScaler(port);
		expect(await isActive()).toBe(false);
		const build = buildctl(`tcp://127.0.0.1:${port}`, buildContext("echo begun; sleep 4"));
		await build.line(/begun/);
		// What was heard a moment ago is believed for a second.
		while (!(await isActive())) await new Promise((resolve) => setTimeout(resolve, 50));
		expect(await metric()).toBe(4);
		expect(scaler.state().pools[0]?.asked).toMatchObject([
			{ daemon: "daemon-0", word: { t: "builds", count: 1 } },
		]);
		expect(await build.exited).toBe(0);
		while (await isActive()) await new Promise((resolve) => setTimeout(resolve, 50));
		expect(await metric()).toBe(0);
		daemon.child.kill("SIGKILL");
		await daemon.exited;
		while (scaler.state().pools[0]?.asked[0]?.word.t !== "down") expect(await metric()).toBe(0);
	});

	test("that is frozen makes the demand unknown, within a second, and known when it goes on", async () => {
		const port = await freePort();
		const daemon = await startBuildkitd(port);
		const { keda, metric } = await startScaler(port);
		daemon.child.kill("SIGSTOP");
		const begunAt = performance.now();
		const answers = await Promise.all([
			outcome(keda.isActive(scaledObject())),
			outcome(keda.getMetrics(scaledObject(), "builds")),
		]);
		expect(performance.now() - begunAt).toBeLessThan(1_000);
		for (const answer of answers)
			expect(answer).toMatch(/^UNAVAILABLE: .*daemon-0 cannot be asked: no answer within/);
		daemon.child.kill("SIGCONT");
		while ((await outcome(metric())) !== "OK") await new Promise((resolve) => setTimeout(resolve, 50));
		expect(await metric()).toBe(0);
	});

	test("with mutual TLS is asked with a certificate, and is unknown without", async () => {
		const ca = await TestCa.create();
		const port = await freePort();
		await startBuildkitd(port, await ca.sign("daemon", ["DNS:buildkitd"]));
		const credentials = new TlsCredentials(await ca.sign("scaler"), {
			clock: systemClock,
			onReload: () => {},
		});
		onTestFinished(() => credentials.close());
		const { metric } = await startScaler(port, { daemonTls: { credentials, serverName: "buildkitd" } });
		expect(await metric()).toBe(0);
		const plain = await startScaler(port);
		expect(await outcome(plain.metric())).toMatch(/^UNAVAILABLE: .*cannot be asked/);
		const trusting = await startScaler(port, { verifyZero: false });
		expect(await trusting.metric()).toBe(0);
	});
});
