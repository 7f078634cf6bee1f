import { expect, test } from "vitest";
import { buildContext, buildctl } from "../helpers/build-client.ts";
import { startLocalProcess } from "../helpers/local-process.ts";

test("10 clients at once on a cold pool: all succeed, in order, never more than capacity", async () => {
	const local = await startLocalProcess("--capacity", "2", "--max-daemons", "3", "--poll", "1s");
	const clients = Array.from({ length: 10 }, () => buildctl(local.address, buildContext("sleep 1")));
	let finished = false;
	let mostAtWork = 0;
	let mostDaemons = 0;
	const watching = (async () => {
		while (!finished) {
			const { daemons } = await local.state();
			mostAtWork = Math.max(
				mostAtWork,
				daemons.reduce((sum, { active }) => sum + active, 0),
			);
			mostDaemons = Math.max(mostDaemons, daemons.length);
			for (const { active } of daemons) expect(active).toBeLessThanOrEqual(2);
		}
	})();
	for (const client of clients) expect(await client.exited, client.output).toBe(0);
	finished = true;
	await watching;
	expect(mostAtWork).toBeGreaterThan(2);
	expect(mostAtWork).toBeLessThanOrEqual(6);
	expect(mostDaemons).toBe(3);
	const assigned = local.process.lines.flatMap(({ text }) => /build (\d+) +assigned/.exec(text)?.[1] ?? []);
	expect(assigned).toEqual(assigned.toSorted((a, b) => Number(a) - Number(b)));
	expect(assigned).toHaveLength(10);
	console.log(`most at work: ${mostAtWork} on ${mostDaemons} daemons`);
});
