import { expect, test } from "vitest";
import { buildContext, buildctl } from "../../helpers/build-client.ts";
import { startLocalProcess } from "../../helpers/local-process.ts";
import { processesWith } from "../../helpers/processes.ts";

const marker = () => `8${Math.floor(Math.random() * 1e6)}.25`;

// The daemon gives its session up after 40 s, and then neither side says anything.
test("a client whose process is stopped loses its build after --frozen-after; one that only waits does not", async () => {
	const local = await startLocalProcess("--frozen-after", "60s", "--log-level", "info");
	const seconds = marker();
	const frozen = buildctl(local.address, buildContext(`sleep ${seconds}`));
	const silent = buildctl(local.address, buildContext("sleep 90"));
	await local.until((state) => state.daemons[0]?.active === 2);
	await Promise.all([frozen.line(/RUN/), silent.line(/RUN/)]);
	const isRunning = () => processesWith(`sleep ${seconds}`).length > 0;
	while (!isRunning()) await new Promise((resolve) => setTimeout(resolve, 20));
	frozen.child.kill("SIGSTOP");
	const stoppedAt = performance.now();
	await local.process.line(/"reason":"clientFrozen"/);
	const endedAfterMs = performance.now() - stoppedAt;
	// Its daemon stops building; alone, it would have gone on to the end.
	while (isRunning()) await new Promise((resolve) => setTimeout(resolve, 20));
	expect(endedAfterMs).toBeGreaterThan(60_000);
	expect(endedAfterMs).toBeLessThan(75_000);
	expect(await silent.exited, silent.output).toBe(0);
	frozen.child.kill("SIGCONT");
	expect(await frozen.exited).not.toBe(0);
	console.log(
		`ended ${Math.round(endedAfterMs)} ms after its client was stopped:\n${frozen.lines.at(-1)?.text}`,
	);
});
