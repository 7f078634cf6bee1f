import { expect, test } from "vitest";
import { type Casualty, isExcused, type Trace } from "./casualties.ts";

const proxy = { id: "proxy-0" };
const other = { id: "proxy-1" };

/** Connected to proxy-0 from 100 to 200, and served by buildkitd-1 at 150. */
function build(endedAt: number | undefined = 200): Trace {
	return {
		number: 1,
		endedAt,
		passings: [{ instance: proxy, askedAt: 100, endedAt }],
		servedBy: () => [{ daemon: "buildkitd-1", atMs: 150, passing: { endedAt } }],
	};
}

const killed = (from: number, until: number): Casualty => ({ t: "proxy", instance: proxy, from, until });
const crashed = (name: string, from: number, until: number): Casualty => {
	return { t: "daemon", name, from, until };
};

test("a build on a proxy that is killed may fail", () => {
	expect(isExcused(build(), [killed(160, 170)])).toBe(true);
	expect(isExcused(build(undefined), [killed(160, 170)])).toBe(true);
	expect(isExcused(build(), [killed(90, 110)])).toBe(true);
});

test("one that came after its end, had gone before, or was on another may not", () => {
	expect(isExcused(build(), [killed(80, 90)])).toBe(false);
	expect(isExcused(build(), [killed(210, 220)])).toBe(false);
	expect(isExcused(build(), [{ t: "proxy", instance: other, from: 160, until: 170 }])).toBe(false);
	expect(isExcused(build(), [])).toBe(false);
});

test("a build on a daemon that is killed may fail, once that has answered", () => {
	expect(isExcused(build(), [crashed("buildkitd-1", 160, 170)])).toBe(true);
	expect(isExcused(build(), [crashed("buildkitd-1", 120, 140)])).toBe(false);
	expect(isExcused(build(), [crashed("buildkitd-1", 210, 220)])).toBe(false);
	expect(isExcused(build(), [crashed("buildkitd-0", 160, 170)])).toBe(false);
});

test("one that fails long after the kill has failed for another reason", () => {
	expect(isExcused(build(30_160), [killed(160, 170)])).toBe(true);
	expect(isExcused(build(30_180), [killed(160, 170)])).toBe(false);
});

test("a client that is killed is nobody else's fault", () => {
	const mine = build();
	expect(isExcused(mine, [{ t: "client", build: mine, from: 1, until: 1 }])).toBe(true);
	expect(isExcused(mine, [{ t: "client", build: build(), from: 1, until: 1 }])).toBe(false);
});
