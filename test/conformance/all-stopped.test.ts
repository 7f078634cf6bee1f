// Point 13 of the list, at its worst: whoever the scaler could ask is stopped, and none of them says so.
import { expect, onTestFinished, test } from "vitest";
import { startBuildkitd } from "../helpers/buildkitd.ts";
import { CliProcess } from "../helpers/cli-process.ts";
import { freePort } from "../helpers/free-port.ts";
import { startNatsServer } from "../helpers/nats-server.ts";
import { allMethods, answersUntil, scalerProcess } from "./processes.ts";
import { clientKinds, connect, endClientsAfterAll, median, percentile } from "./setup.ts";

endClientsAfterAll();

/** Stops a process for the rest of the test, at the end of which it goes on so that it can end. */
function stop({ child }: CliProcess): void {
	child.kill("SIGSTOP");
	onTestFinished(() => void child.kill("SIGCONT"));
}

test("13 every call ends within a second with the bus stopped, the daemons frozen and a proxy stopped, all at once", async () => {
	const server = await startNatsServer();
	onTestFinished(() => server.kill());
	const ports = await Promise.all([freePort(), freePort()]);
	const daemons = await Promise.all(ports.map((port) => startBuildkitd(port)));
	const addresses = ports.map((port) => `127.0.0.1:${port}`).join(",");
	const proxies = await Promise.all(
		["p-1", "p-2"].map(async (id) => {
			const admin = `127.0.0.1:${await freePort()}`;
			const flags = ["--listen", "127.0.0.1:0", "--admin", admin, "--nats", server.url];
			const proxy = CliProcess.start("proxy", "--id", id, "--daemons", addresses, ...flags);
			await proxy.line(/proxy ready/);
			return proxy;
		}),
	);
	const { address, get } = await scalerProcess(server, "--expected-proxies", "p-1,p-2");
	const connections = clientKinds.map((kind) => connect(kind, address));
	// Nobody builds: the daemons are asked before each zero, which is the longest way to an answer.
	for (const keda of connections) await answersUntil(keda, 0);

	server.freeze();
	for (const daemon of daemons) stop(daemon);
	stop(proxies[1]!);
	const rate = { perSecond: 100, seconds: 4 };
	const measure = async (what: string) => {
		const loads = await Promise.all(connections.map((keda) => keda.load(allMethods, rate)));
		for (const [index, { codes, ms }] of loads.entries()) {
			const figures = `p50 ${median(ms).toFixed(1)} ms, p99 ${percentile(ms, 0.99).toFixed(0)} ms, max ${Math.max(...ms).toFixed(0)} ms`;
			console.info(`${what}, ${clientKinds[index]?.name}: ${figures}`, codes);
			expect(ms).toHaveLength(rate.perSecond * rate.seconds);
			expect(Object.keys(codes).filter((code) => code !== "OK" && code !== "UNAVAILABLE")).toEqual([]);
			expect(percentile(ms, 0.9)).toBeLessThan(1_000);
			// A second, and what a busy machine adds; a call that waited for any of them would wait longer.
			expect(Math.max(...ms)).toBeLessThan(2_000);
		}
		return loads.map(({ codes }) => codes);
	};
	// By and by the words are stale, too; the spec is known all the time.
	const frozen = await measure("NATS frozen");
	await server.kill();
	const gone = await measure("NATS gone");
	for (const codes of [...frozen, ...gone]) expect(codes["UNAVAILABLE"]).toBeGreaterThan(0);
	for (const codes of [...frozen, ...gone]) expect(codes["OK"]).toBeGreaterThanOrEqual(133);
	const asked = await get("/metrics");
	expect(asked).toMatch(/^buildkit_scaler_daemons_asked_total\{answer="unknown"\} [1-9]/m);
});
