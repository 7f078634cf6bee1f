import net from "node:net";
import { describe, expect, test } from "vitest";
import { buildctl, buildx } from "../helpers/build-client.ts";
import { startLocalProcess } from "../helpers/local-process.ts";

describe("when the wait is too long", () => {
	test.each([
		["buildctl", buildctl],
		["buildx", buildx],
	])("%s shows our reason in its terminal", async (_name, client) => {
		const local = await startLocalProcess("--max-wait", "5s", "--wake-delay", "60s");
		const build = client(local.address);
		expect(await build.exited, build.output).not.toBe(0);
		const tookMs = performance.now() - build.startedAt;
		expect(build.output).toContain("no daemon had room for this build within 5 s");
		expect(tookMs).toBeLessThan(6_000);
		console.log(`${client.name}: told after ${Math.round(tookMs)} ms`);
	});
});

test("a client killed while it waits leaves the queue within 1 s and wakes nobody afterwards", async () => {
	const local = await startLocalProcess("--wake-delay", "3s", "--cooldown", "1s", "--poll", "1s");
	const build = buildctl(local.address);
	await local.until((state) => state.waiting === 1);
	const killedAt = performance.now();
	build.child.kill("SIGKILL");
	await local.until((state) => state.waiting === 0);
	const leftAfterMs = performance.now() - killedAt;
	expect(leftAfterMs).toBeLessThan(1_000);
	// The wake that it caused is taken back when the cooldown is over; none follows.
	await local.process.line(/scaled 1 -> 0/);
	const scaledUp = () => local.process.lines.filter(({ text }) => text.includes("scaled 0 -> 1")).length;
	expect(scaledUp()).toBe(1);
	console.log(`left the queue after ${Math.round(leftAfterMs)} ms`);
});

test("a bare connect, and a thousand of them, wake nobody", async () => {
	const local = await startLocalProcess("--poll", "1s");
	const sockets = await Promise.all(
		Array.from({ length: 1_001 }, () => {
			const socket = net.connect(local.port, "127.0.0.1");
			socket.on("error", () => {});
			return new Promise<net.Socket>((resolve) => socket.once("connect", () => resolve(socket)));
		}),
	);
	await local.until((state) => state.connections.length === 1_001);
	expect((await local.state()).connections.every(({ state }) => state === "opening")).toBe(true);
	// They are closed when the preface has not come within 10 s, which two polls of the controller have seen.
	await local.until((state) => state.connections.length === 0);
	expect(local.process.output).not.toContain("pushed");
	expect(local.process.output).not.toContain("scaled");
	expect(await local.metrics()).toContain('reason="noPreface"} 1001');
	for (const socket of sockets) socket.destroy();
});
