import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { ProxyState } from "../../../proxy/observe/state.ts";
import { aloneOnTheMachine } from "../../helpers/alone.ts";
import { buildContext, buildctl } from "../../helpers/build-client.ts";
import { startBuildkitdProcess } from "../../helpers/buildkitd-process.ts";
import { Cleanup } from "../../helpers/cleanup.ts";
import { CliProcess } from "../../helpers/cli-process.ts";
import { loopbackHosts } from "../../helpers/loopback.ts";
import { startNatsServer } from "../../helpers/nats-server.ts";
import { type Endpoint, startService } from "../../helpers/service.ts";
import { workFolder } from "../../helpers/work-folder.ts";
import { findProgram } from "../../tools/programs.ts";

aloneOnTheMachine();

const builds = 100;
/** So that most builds see a restart, and three daemons of capacity 4 have room for all. */
const atOnce = 10;
const buildSeconds = 2;

async function startDaemon(cleanup: Cleanup, folder: string, host: string): Promise<string> {
	const address = `${host}:1234`;
	await startBuildkitdProcess(cleanup, { program: findProgram("buildkitd"), address, folder });
	return address;
}

async function activeOn({ host }: Endpoint): Promise<number> {
	const state = (await (await fetch(`http://${host}:8081/state`)).json()) as ProxyState;
	return state.pools.flatMap(({ daemons }) => daemons).reduce((sum, { active }) => sum + active, 0);
}

test(`${builds} builds over two proxies and three daemons, the proxies restarted in turn: none fails`, async () => {
	const nats = await startNatsServer();
	onTestFinished(() => nats.kill());
	const cleanup = new Cleanup();
	onTestFinished(() => cleanup.run());
	const folder = workFolder(cleanup);
	const nextHost = loopbackHosts();
	const daemons = await Promise.all(
		["a", "b", "c"].map((name) => startDaemon(cleanup, join(folder, name), nextHost())),
	);
	const endpoints: Endpoint[] = [{ host: nextHost() }, { host: nextHost() }];
	const service = await startService(endpoints);
	const start = async (index: number) => {
		const endpoint = endpoints[index]!;
		const { host } = endpoint;
		const proxy = CliProcess.start(
			"proxy",
			...["--listen", `${host}:1234`, "--admin", `${host}:8081`],
			...["--daemons", daemons.join(), "--nats", nats.url],
			// Ten times as long as it takes the service to hear of it.
			...["--id", `proxy-${index}`, "--drain-grace", "2s"],
		);
		await proxy.line(/proxy ready/);
		await service.whenReady(endpoint);
		return proxy;
	};
	const proxies = await Promise.all([start(0), start(1)]);

	const startedAt = performance.now();
	let left = builds;
	const failures: string[] = [];
	const building = Array.from({ length: atOnce }, async () => {
		while (left-- > 0) {
			const build = buildctl(service.address, buildContext(`sleep ${buildSeconds}`));
			if ((await build.exited) !== 0) failures.push(build.output);
		}
	});
	let restarts = 0;
	let carried = 0;
	const restarting = (async () => {
		while (left > 0) {
			const index = restarts % proxies.length;
			const proxy = proxies[index]!;
			carried += await activeOn(endpoints[index]!);
			proxy.child.kill("SIGTERM");
			expect(await proxy.exited, proxy.output).toBe(0);
			restarts++;
			proxies[index] = await start(index);
		}
	})();
	await Promise.all([restarting, ...building]);

	const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
	const shares = service.connects.join(" and ");
	console.log(
		`${builds} builds in ${seconds} s, connects ${shares}; ${restarts} restarts by SIGTERM with ` +
			`${carried} builds on them; ${failures.length} failed`,
	);
	expect(failures).toEqual([]);
	expect(restarts).toBeGreaterThanOrEqual(2);
	expect(carried).toBeGreaterThanOrEqual(restarts);
	for (const connects of service.connects) expect(connects).toBeGreaterThan(builds / 5);
	// A client may be gone before its proxy has heard of it.
	for (const endpoint of endpoints) await expect.poll(() => activeOn(endpoint)).toBe(0);
});
