import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { buildContext, buildctl } from "../helpers/build-client.ts";
import { secondSignalMs } from "../helpers/cli-process.ts";
import { startLocalProcess } from "../helpers/local-process.ts";
import { processesWith } from "../helpers/processes.ts";

const marker = () => `5${Math.floor(Math.random() * 1e6)}.25`;

test("kill -9 of a daemon under a build: the client knows at once, the next one is served", async () => {
	const local = await startLocalProcess();
	const seconds = marker();
	const victim = buildctl(local.address, buildContext(`sleep ${seconds}`));
	await victim.line(/RUN/);
	await local.until((state) => state.daemons[0]?.active === 1);
	const [daemon] = processesWith(`${local.stateDir}/daemons`).filter((pid) =>
		processesWith("buildkitd").includes(pid),
	);
	const killedAt = performance.now();
	process.kill(daemon!, "SIGKILL");
	expect(await victim.exited).not.toBe(0);
	const toldAfterMs = performance.now() - killedAt;
	expect(toldAfterMs).toBeLessThan(1_000);
	const next = buildctl(local.address);
	expect(await next.exited, next.output).toBe(0);
	console.log(`client told after ${Math.round(toldAfterMs)} ms`);
});

describe("SIGINT with a build running", () => {
	test("lets it finish, leaves no process, exits 0", async () => {
		const local = await startLocalProcess();
		const build = buildctl(local.address, buildContext("sleep 3"));
		await local.until((state) => state.daemons[0]?.active === 1);
		local.process.child.kill("SIGINT");
		expect(await build.exited, build.output).toBe(0);
		expect(await local.process.exited).toBe(0);
		expect(processesWith(local.stateDir)).toEqual([]);
	});

	test("twice ends it at once, leaves no process, exits 1", async () => {
		const local = await startLocalProcess();
		const seconds = marker();
		const build = buildctl(local.address, buildContext(`sleep ${seconds}`));
		await build.line(/RUN/);
		await local.until((state) => state.daemons[0]?.active === 1);
		const stoppedAt = performance.now();
		local.process.child.kill("SIGINT");
		await setTimeout(secondSignalMs);
		expect(local.process.output).toContain("stopping: running builds finish first");
		local.process.child.kill("SIGINT");
		expect(await local.process.exited).toBe(1);
		expect(await build.exited).not.toBe(0);
		expect(performance.now() - stoppedAt).toBeLessThan(5_000);
		expect(processesWith(local.stateDir)).toEqual([]);
		expect(processesWith(`sleep ${seconds}`)).toEqual([]);
	});
});
