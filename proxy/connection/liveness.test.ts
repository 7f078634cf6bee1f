import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Liveness, livenessSampleMs, livenessWindowMs, type Traffic, type Verdict } from "./liveness.ts";

const frozenAfterMs = 300_000;

/** Who said something before each sample, and what else held then. */
interface Step extends Partial<Pick<Traffic, "clientIsOwed" | "halfClosed">> {
	readonly client?: boolean;
	readonly daemon?: boolean;
}

/** The verdicts on a connection that becomes live at 0 and is sampled every 5 s. */
function verdicts(steps: readonly Step[]): Verdict[] {
	const liveness = new Liveness(0, frozenAfterMs);
	let fromClient = 0;
	let fromDaemon = 0;
	return steps.map(({ client, daemon, clientIsOwed = false, halfClosed = false }, i) => {
		if (client) fromClient += 17;
		if (daemon) fromDaemon += 17;
		const traffic = { fromClient, fromDaemon, clientIsOwed, halfClosed };
		return liveness.sample((i + 1) * livenessSampleMs, traffic);
	});
}

const both: Step = { client: true, daemon: true };
const times = (durationMs: number, step: Step): Step[] =>
	Array.from({ length: durationMs / livenessSampleMs }, () => step);
const hour = 3_600_000;

describe("a build", () => {
	test("is bytes both ways every 5 s, for hours", () => {
		expect(new Set(verdicts(times(4 * hour, both)))).toEqual(new Set(["active"]));
	});

	test("is idle only after the window", () => {
		expect(verdicts([both, ...times(livenessWindowMs + livenessSampleMs, {})]).slice(-2)).toEqual([
			"active",
			"idle",
		]);
	});

	test.each([
		["client", { client: true }],
		["daemon", { daemon: true }],
	])("is no longer one when only the %s talks", (_side, step) => {
		expect(verdicts(times(40_000, step)).at(-1)).toBe("idle");
	});

	test("is one again when both talk again", () => {
		expect(verdicts([...times(60_000, {}), both]).slice(-2)).toEqual(["idle", "active"]);
	});
});

describe("a frozen client", () => {
	/** What buildkitd v0.33 sends to one: two health checks that fail, and the end of the session. Samples are 5 s apart. */
	const ignored: Step[] = [{ daemon: true }, {}, {}, { daemon: true }, {}, {}, {}, {}, { daemon: true }];

	test("has not answered its daemon's health checks, and said nothing for 5 minutes since the first", () => {
		const all = verdicts([both, ...ignored, ...times(frozenAfterMs, {})]);
		expect(all.indexOf("frozen")).toBe(1 + frozenAfterMs / livenessSampleMs);
	});

	test("may have a daemon that talks on", () => {
		const all = verdicts([both, ...times(frozenAfterMs + livenessSampleMs, { daemon: true })]);
		expect(all.indexOf("frozen")).toBe(1 + frozenAfterMs / livenessSampleMs);
	});

	test("may have stopped reading, so that its daemon cannot talk", () => {
		const all = verdicts([both, ...times(frozenAfterMs + livenessSampleMs, { clientIsOwed: true })]);
		expect(all.indexOf("frozen")).toBe(1 + frozenAfterMs / livenessSampleMs);
	});

	test("is not one that was never asked, as the extra connections of old buildx", () => {
		expect(new Set(verdicts([both, ...times(4 * hour, {})]))).toEqual(new Set(["active", "idle"]));
	});

	test("is not one that comes back within 5 minutes", () => {
		const steps = [...ignored, ...times(frozenAfterMs - 60_000, {}), { client: true }, ...times(hour, {})];
		expect(verdicts(steps)).not.toContain("frozen");
	});

	test("is not one that has ended its direction and only reads", () => {
		const steps = times(hour, { daemon: true, halfClosed: true });
		expect(new Set(verdicts(steps))).toEqual(new Set(["active", "idle"]));
	});

	test("is never one that has said something in the last 5 minutes, whatever else happens", () => {
		const step = fc.record({ client: fc.boolean(), daemon: fc.boolean(), clientIsOwed: fc.boolean() });
		fc.assert(
			fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
				const lastWord = (i: number) => steps.slice(0, i + 1).findLastIndex(({ client }) => client);
				verdicts(steps).forEach((verdict, i) => {
					if (verdict === "frozen") {
						expect((i - lastWord(i)) * livenessSampleMs).toBeGreaterThanOrEqual(frozenAfterMs);
					}
				});
			}),
		);
	});

	test("is never one whose daemon says single words, which may need no answer", () => {
		const pause = fc.integer({ min: livenessWindowMs / livenessSampleMs, max: 100 });
		fc.assert(
			fc.property(fc.array(pause, { maxLength: 40 }), (pauses) => {
				const steps = pauses.flatMap((length) => [{ daemon: true }, ...Array.from({ length }, () => ({}))]);
				expect(verdicts(steps)).not.toContain("frozen");
			}),
		);
	});

	test("is always one that ignores two words 10 to 30 s apart, and whatever follows", () => {
		const later = fc.array(fc.record({ daemon: fc.boolean() }), { minLength: 60, maxLength: 100 });
		fc.assert(
			fc.property(fc.integer({ min: 1, max: 5 }), later, (length, rest) => {
				const steps = [{ daemon: true }, ...Array.from({ length }, () => ({})), { daemon: true }, ...rest];
				expect(verdicts(steps)).toContain("frozen");
			}),
		);
	});
});

describe("an abandoned connection", () => {
	test("has ended on one side, and nothing has come from the other one for 5 minutes", () => {
		const all = verdicts([both, ...times(frozenAfterMs, { halfClosed: true })]);
		expect(all.indexOf("abandoned")).toBe(all.length - 1);
	});

	test("is none while anything moves", () => {
		const steps = times(hour, { client: true, halfClosed: true });
		expect(verdicts(steps)).not.toContain("abandoned");
	});
});
