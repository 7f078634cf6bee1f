import { expect, test } from "vitest";
import { openedBytes, RawClient } from "../helpers/raw-client.ts";
import { daemonSettings, startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy } from "../helpers/test-proxy.ts";

const phaseCount = "buildkit_proxy_wait_phase_seconds_count";
const phaseSum = "buildkit_proxy_wait_phase_seconds_sum";

test("a cold build waits for the wake, the next one is served at once, a third one queues", async () => {
	const { port, source, clock, moves, until, metric, lines } = await startTestProxy({ capacity: 2 });
	const daemon = await startStandIn();
	const first = await RawClient.opened(port);
	await until(() => moves.at(-1)?.state === "waiting");
	clock.advance(60_000);
	source.set([daemon.port]);
	await until(() => moves.at(-1)?.state === "live");
	expect(await metric(phaseCount, { phase: "wake" })).toBe(1);
	expect(await metric(phaseSum, { phase: "wake" })).toBe(60);
	expect(await metric(phaseSum, { phase: "queue" })).toBe(0);

	await RawClient.opened(port);
	await until(() => moves.filter((m) => m.state === "live").length === 2);
	const third = await RawClient.opened(port);
	await until(() => moves.at(-1)?.state === "waiting");
	clock.advance(7_000);
	first.socket.end();
	await until(() => moves.filter((m) => m.state === "live").length === 3);
	expect(await metric(phaseCount, { phase: "wake" })).toBe(1);
	expect(await metric(phaseCount, { phase: "queue" })).toBe(3);
	expect(await metric(phaseSum, { phase: "queue" })).toBe(7);
	expect(await metric("buildkit_proxy_wait_seconds_count")).toBe(3);
	expect(await metric("buildkit_proxy_wait_seconds_sum")).toBe(67);

	third.socket.end();
	await until(() => moves.filter((m) => m.state === "closed").length === 2);
	expect(await metric("buildkit_proxy_builds_total", { result: "completed" })).toBe(2);
	expect(await metric("buildkit_proxy_bytes_total", { direction: "fromClient" })).toBe(3 * openedBytes);
	expect(await metric("buildkit_proxy_bytes_total", { direction: "fromDaemon" })).toBe(
		3 * daemonSettings.length,
	);
	const ofThird = lines.filter(({ connection }) => connection === moves.at(-1)?.id);
	expect(ofThird).toMatchObject([
		{ msg: "build waiting" },
		{ msg: "build served", waitMs: 7_000, wakeMs: 0, queueMs: 7_000, daemon: "daemon-0" },
		{ msg: "build ended", reason: "clientClosed", durationMs: 7_000, bytesFromClient: openedBytes },
	]);
});

test("a pool whose daemon went away without a word is asleep from the first refused connect", async () => {
	const { port, source, clock, moves, until, metric } = await startTestProxy();
	const gone = await startStandIn();
	source.set([gone.port]);
	const before = await RawClient.opened(port);
	await until(() => moves.at(-1)?.state === "live");
	before.socket.destroy();
	await until(() => moves.at(-1)?.state === "closed");
	await gone.stop();
	await RawClient.opened(port);
	await until(() => moves.at(-1)?.state === "waiting");
	await until(() => clock.pending > 0);
	const back = await startStandIn();
	source.set([back.port]);
	await until(() => {
		clock.advance(1_000);
		return moves.at(-1)?.state === "live";
	});
	expect(await metric(phaseCount, { phase: "wake" })).toBe(1);
	expect(await metric(phaseSum, { phase: "queue" })).toBe(0);
});

test("builds that get no daemon count by how they ended", async () => {
	const { port, clock, moves, until, metric } = await startTestProxy({ maxWaitMs: 1_000 });
	const leaves = await RawClient.opened(port);
	await until(() => moves.at(-1)?.state === "waiting");
	leaves.socket.destroy();
	await until(() => moves.at(-1)?.state === "closed");
	await RawClient.opened(port);
	await until(() => moves.at(-1)?.state === "waiting");
	clock.advance(1_000);
	await until(() => moves.at(-1)?.state === "failing");
	clock.advance(5_000);
	await until(() => moves.at(-1)?.state === "closed");
	expect(await metric("buildkit_proxy_builds_total", { result: "abandoned" })).toBe(1);
	expect(await metric("buildkit_proxy_builds_total", { result: "refused" })).toBe(1);
	expect(await metric("buildkit_proxy_builds_total")).toBe(2);
});
