import { expect, test } from "vitest";
import { buildContext, buildctl, buildx } from "../helpers/build-client.ts";
import { startLocalProcess } from "../helpers/local-process.ts";
import { processesWith } from "../helpers/processes.ts";

test("a stock buildctl builds on a pool of zero daemons, which is zero again after the cooldown", async () => {
	const local = await startLocalProcess("--cooldown", "3s", "--poll", "1s");
	expect((await local.state()).daemons).toEqual([]);
	const client = buildctl(local.address);
	expect(await client.exited, client.output).toBe(0);
	expect(client.output).toContain("built");
	const [firstByte] = await local.process.line(/first byte after .*/);
	console.log(`cold pool: ${firstByte}`);
	await local.process.line(/0 daemons left/);
	expect(processesWith(local.stateDir).filter((pid) => pid !== local.process.child.pid)).toEqual([]);
});

test("buildx with the remote driver does too, and the second cold build finds the first one's cache", async () => {
	const local = await startLocalProcess("--cooldown", "1s", "--poll", "1s");
	const context = buildContext();
	const first = buildx(local.address, context);
	expect(await first.exited, first.output).toBe(0);
	await local.process.line(/0 daemons left/);
	const second = buildx(local.address, context);
	expect(await second.exited, second.output).toBe(0);
	expect(second.output).toContain("CACHED");
});
