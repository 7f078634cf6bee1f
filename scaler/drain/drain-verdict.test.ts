import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DaemonLoad } from "../../events/schema.ts";
import { type EventParts, poolEvent } from "../../test/helpers/pool-event.ts";
import { type BusView, syncMs } from "../demand.ts";
import { Ledger } from "../ledger.ts";
import { type DrainVerdict, drainVerdict } from "./drain-verdict.ts";

const options = { absentAfterMs: 600_000 };
const connected: BusView = { t: "connected", since: 0 };
const askedAt = 20_000;

type Said = EventParts & { at?: number; daemons?: readonly Partial<DaemonLoad>[] };

/** A word said after the proxies were asked, unless it has another `at`. */
function verdict(
	words: readonly Said[],
	{ bus = connected, now = 21_000, daemon = "daemon-3" } = {},
): DrainVerdict {
	const ledger = new Ledger();
	for (const { at = 20_500, daemons = [], ...parts } of words) {
		const event = poolEvent(parts);
		const listed = daemons.map((of) => ({
			...{ name: "daemon-3", address: "10.0.0.3:1234", ordinal: 3, active: 0, idle: 0, draining: true },
			...of,
		}));
		ledger.record({ ...event, snapshot: { ...event.snapshot, daemons: listed } }, at);
	}
	const question = { key: "default/default", daemon, askedAt, now } as const;
	return drainVerdict(ledger.get("default/default"), bus, question, options);
}

const released = { t: "released", address: "10.0.0.3:1234" };

describe("released", () => {
	test("when every proxy gives it nothing more, and has nothing on it", () => {
		expect(
			verdict([
				{ proxy: "a", daemons: [{}] },
				{ proxy: "b", daemons: [{}] },
			]),
		).toEqual(released);
	});

	test("when a proxy does not know it: it can give it nothing", () => {
		expect(verdict([{ proxy: "a", daemons: [{}] }, { proxy: "b" }])).toEqual(released);
	});

	test("when all proxies said goodbye, and when another has been silent for very long", () => {
		const goodbye = { proxy: "a", type: "proxy.stopped", daemons: [{}] } as const;
		expect(verdict([goodbye])).toEqual(released);
		const words = [
			{ proxy: "dead", at: 1, daemons: [{ active: 2 }] },
			{ proxy: "a", at: 600_001, daemons: [{}] },
		];
		expect(verdict(words, { now: 600_001 })).toEqual(released);
	});
});

test("busy: the builds of all proxies, draining or not, also of a silent one", () => {
	const words = [
		{ proxy: "a", daemons: [{ active: 2 }] },
		{ proxy: "b", daemons: [{ active: 1, draining: false }] },
		{ proxy: "c", at: 1, daemons: [{ active: 1 }] },
	];
	expect(verdict(words)).toEqual({ t: "busy", builds: 4 });
});

describe("unclear", () => {
	test.each<[why: string, words: readonly Said[], bus?: BusView]>([
		["the bus is disconnected: x", [{ daemons: [{}] }], { t: "disconnected", reason: "x" }],
		["waiting for the proxies to report", [{ daemons: [{}] }], { t: "connected", since: 21_001 - syncMs }],
		["proxy b has not confirmed", [{ daemons: [{}] }, { proxy: "b", daemons: [{ draining: false }] }]],
		["proxy b has not confirmed", [{ daemons: [{}] }, { proxy: "b", at: askedAt - 1, daemons: [{}] }]],
		["proxy b has not confirmed", [{ daemons: [{}] }, { proxy: "b", at: askedAt - 1 }]],
		["proxy b is silent", [{ daemons: [{}] }, { proxy: "b", at: 5_999 }]],
	])("%s", (why, words, bus = connected) => {
		expect(verdict(words, { bus })).toEqual({ t: "unclear", why });
	});
});

test("foreign: a pool without a proxy, and a daemon that no proxy knows", () => {
	expect(verdict([])).toEqual({ t: "foreign", why: "no proxy speaks for pool default/default" });
	expect(verdict([{ proxy: "a", daemons: [{}] }], { daemon: "x" })).toEqual({
		t: "foreign",
		why: "no proxy of pool default/default knows daemon x",
	});
});

test("law: released only if each proxy that counts spoke since it was asked, and gives and has nothing", () => {
	const word = fc.record({
		proxy: fc.constantFrom("a", "b", "c"),
		sequence: fc.nat(5),
		at: fc.integer({ min: 1, max: 40_000 }),
		daemons: fc.array(fc.record({ active: fc.constantFrom(0, 0, 1), draining: fc.boolean() }), {
			maxLength: 1,
		}),
	});
	fc.assert(
		fc.property(fc.array(word, { maxLength: 8 }), fc.integer({ min: askedAt, max: 40_000 }), (words, now) => {
			const said = words.filter(({ at }) => at <= now).toSorted((a, b) => a.at - b.at);
			if (verdict(said, { now }).t !== "released") return;
			const last = new Map<string, (typeof said)[number]>();
			for (const each of said) {
				if (each.sequence > (last.get(each.proxy)?.sequence ?? -1)) last.set(each.proxy, each);
			}
			for (const { at, daemons } of last.values()) {
				expect(at).toBeGreaterThanOrEqual(askedAt);
				for (const { active, draining } of daemons)
					expect({ active, draining }).toEqual({ active: 0, draining: true });
			}
		}),
		{ numRuns: 2_000 },
	);
});
