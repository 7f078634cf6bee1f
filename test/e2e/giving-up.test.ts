import { readFileSync } from "node:fs";
import net from "node:net";
import { describe, expect, test } from "vitest";
import { aloneOnTheMachine } from "../helpers/alone.ts";
import { buildctl, buildx } from "../helpers/build-client.ts";
import { startLocalProcess } from "../helpers/local-process.ts";

aloneOnTheMachine();

describe("when the wait is too long", () => {
	test.each([
		["buildctl", buildctl],
		["buildx", buildx],
	])("%s shows our reason in its terminal", async (_name, client) => {
		const local = await startLocalProcess("--max-wait", "5s", "--wake-delay", "60s");
		const build = client(local.address);
		expect(await build.exited, build.output).not.toBe(0);
		const tookMs = performance.now() - build.startedAt;
		expect(build.output).toContain("no daemon had room for this build within 5 s: none has been started");
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

/** Connects that say nothing. */
function bareConnects(port: number, count: number): Promise<net.Socket[]> {
	return Promise.all(
		Array.from({ length: count }, () => {
			const socket = net.connect(port, "127.0.0.1");
			socket.on("error", () => {});
			return new Promise<net.Socket>((resolve) => socket.once("connect", () => resolve(socket)));
		}),
	);
}

test("a bare connect, and a thousand of them, wake nobody", async () => {
	const local = await startLocalProcess("--poll", "1s");
	const sockets = await bareConnects(local.port, 1_001);
	await local.until((state) => state.connections.length === 1_001);
	expect((await local.state()).connections.every(({ state }) => state === "opening")).toBe(true);
	// They are closed when no preface has come within 10 s, which ten polls of the controller have seen.
	await local.until((state) => state.connections.length === 0);
	expect(local.process.output).not.toContain("pushed");
	expect(local.process.output).not.toContain("scaled");
	expect(await local.metrics()).toContain('reason="noPreface"} 1001');
	for (const socket of sockets) socket.destroy();
});

test("5,000 idle connections cost little memory, and a build beside them does not notice", async () => {
	const local = await startLocalProcess();
	const residentKiB = () => {
		const status = readFileSync(`/proc/${local.process.child.pid}/status`, "latin1");
		return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
	};
	const before = residentKiB();
	const sockets = await bareConnects(local.port, 5_000);
	await local.until((state) => state.connections.length === 5_000);
	const perConnectionKiB = (residentKiB() - before) / 5_000;
	expect(perConnectionKiB).toBeLessThan(16);
	const build = buildctl(local.address);
	expect(await build.exited, build.output).toBe(0);
	console.log(`${perConnectionKiB.toFixed(1)} KiB for each idle connection`);
	for (const socket of sockets) socket.destroy();
});
