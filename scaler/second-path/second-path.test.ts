import { setImmediate as turn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { createLogger } from "../../common/log.ts";
import type { PoolEvent, PoolSnapshot } from "../../events/schema.ts";
import { ManualBus } from "../../test/helpers/manual-bus.ts";
import { ManualClock } from "../../test/helpers/manual-clock.ts";
import { poolEvent } from "../../test/helpers/pool-event.ts";
import { DemandTracker } from "../demand-tracker.ts";
import { expectIds, type ProxyPod } from "../expected/expected.ts";
import { SecondPath } from "./second-path.ts";

const key = "default/default";

/** As fetch has it. */
function refused(): Error {
	const cause = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
	return new TypeError("fetch failed", { cause: new AggregateError([cause], "") });
}

function setup(listed: readonly string[] = []) {
	const clock = new ManualClock();
	const bus = new ManualBus();
	const tracker = new DemandTracker({
		bus,
		clock,
		absentAfterMs: 600_000,
		expected: () => expectIds(["a", "b"]),
		onRecorded: () => {},
	});
	const lines: string[] = [];
	const log = createLogger("silent");
	log.warn = (_fields: object, message?: string) => void lines.push(message ?? "");
	const asked: string[] = [];
	const answers = new Map<string, readonly PoolSnapshot[] | Promise<never>>();
	const empty: string[] = [];
	const pods = listed.map((name): ProxyPod => {
		return { t: "pod", name, admin: `${name}:8081`, terminating: true, listedAt: 0, emptyAt: undefined };
	});
	const path = new SecondPath({
		tracker,
		clock,
		log,
		read: async (admin) => {
			asked.push(admin);
			return answers.get(admin) ?? Promise.reject(refused());
		},
		onRead: () => {},
		lists: new Map([[key, { pods, foundEmpty: (admin: string) => void empty.push(admin) }]]),
	});
	onTestFinished(() => path.close());
	const event = (proxy: string, sequence: number, waiting = 0): PoolEvent => {
		const said = poolEvent({ proxy, sequence, waiting });
		return { ...said, snapshot: { ...said.snapshot, admin: `${proxy}:8081` } };
	};
	const word = (proxy: string, sequence: number, waiting = 0): PoolSnapshot => {
		const { namespace, pool, snapshot } = event(proxy, sequence, waiting);
		return { namespace, pool, snapshot };
	};
	const advance = async (ms: number) => {
		clock.advance(ms);
		await turn();
	};
	return { bus, tracker, asked, answers, event, word, advance, lines, clock, empty };
}

test("who speaks on the bus is not read; who is silent there is, before its lease is over", async () => {
	const { bus, tracker, asked, answers, event, word, advance } = setup();
	bus.publish(event("a", 0));
	bus.publish(event("b", 0));
	await advance(5_000);
	bus.publish(event("a", 1));
	expect(asked).toEqual([]);
	answers.set("b:8081", [word("b", 5, 2)]);
	await advance(1_000);
	expect(asked).toEqual(["b:8081"]);
	expect(tracker.demand(key)).toMatchObject({ t: "known", waiting: 2 });
});

test("while the bus is away all are read, and demand stays known as long as all can be", async () => {
	const { bus, tracker, asked, answers, event, word, advance, lines } = setup();
	bus.publish(event("a", 0));
	bus.publish(event("b", 0));
	bus.become({ t: "disconnected", reason: "gone" });
	answers.set("a:8081", [word("a", 1, 1)]);
	answers.set("b:8081", [word("b", 1)]);
	await advance(1_000);
	expect(asked.toSorted()).toEqual(["a:8081", "b:8081"]);
	expect(tracker.demand(key)).toMatchObject({ t: "known", waiting: 1 });
	answers.delete("b:8081");
	for (let second = 0; second < 16; second++) {
		answers.set("a:8081", [word("a", 2 + second, 1)]);
		await advance(1_000);
	}
	expect(tracker.demand(key)).toMatchObject({ t: "unknown", atLeast: { waiting: 1 } });
	expect(lines).toEqual(["a silent proxy cannot be read"]);
});

test("an older word that is read does not replace a newer one from the bus", async () => {
	const { bus, tracker, answers, event, word, advance } = setup();
	bus.publish(event("a", 9, 3));
	bus.publish(event("b", 0));
	answers.set("a:8081", [word("a", 8, 0)]);
	await advance(6_000);
	expect(tracker.demand(key)).toMatchObject({ waiting: 3 });
});

test("a proxy that is listed and was never heard is read; where nobody listens nobody is missed, and no line is written", async () => {
	const { bus, asked, answers, event, word, advance, lines, empty } = setup(["a", "b"]);
	bus.publish(event("a", 0));
	await advance(1_000);
	expect([asked, empty, lines]).toEqual([["b:8081"], ["b:8081"], []]);
	answers.set("b:8081", Promise.reject(new Error("no answer in time")));
	await advance(1_000);
	expect([asked.length, empty.length, lines.length]).toEqual([2, 1, 1]);
	// Whoever answers there is a proxy of another pool.
	answers.set("b:8081", [{ ...word("b", 0), pool: "other" }]);
	await advance(1_000);
	expect(empty).toEqual(["b:8081", "b:8081"]);
	answers.set("b:8081", [word("b", 1)]);
	await advance(1_000);
	await advance(1_000);
	expect([asked.length, empty.length]).toEqual([4, 2]);
});

test("a listed proxy is read at its listed address, where it does not say one itself", async () => {
	const { bus, asked, event, advance } = setup(["a"]);
	const { snapshot, ...rest } = event("a", 0);
	bus.publish({ ...rest, snapshot: { ...snapshot, admin: undefined } } as PoolEvent);
	await advance(5_000);
	expect(asked).toEqual([]);
	await advance(1_000);
	expect(asked).toEqual(["a:8081"]);
});

test("a listed proxy that terminates and has said goodbye is left alone", async () => {
	const { bus, asked, event, advance, lines } = setup(["a"]);
	bus.publish(event("a", 0));
	bus.publish({ ...event("a", 1), type: "proxy.stopped" } as PoolEvent);
	await advance(30_000);
	expect([asked, lines]).toEqual([[], []]);
});
