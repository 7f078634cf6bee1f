import { describe, expect, test } from "vitest";
import { createLogger } from "../../common/log.ts";
import { drainRepeatMs } from "../../events/drain-request.ts";
import { ManualBus } from "../../test/helpers/manual-bus.ts";
import { ManualClock } from "../../test/helpers/manual-clock.ts";
import type { DaemonWord } from "../verify/daemon-word.ts";
import { drainEndpoint } from "./drain-endpoint.ts";
import type { DrainVerdict } from "./drain-verdict.ts";
import { type DrainAnswer, Drains } from "./drains.ts";

const key = "default/default";
const released: DrainVerdict = { t: "released", address: "10.0.0.3:1234" };
const never = new AbortController().signal;
const turn = () => new Promise((resolve) => setImmediate(resolve));

function start(itself?: () => DaemonWord) {
	const bus = new ManualBus();
	const clock = new ManualClock();
	const now = { verdict: { t: "unclear", why: "proxy a has not confirmed" } as DrainVerdict };
	const asked: string[] = [];
	const drains = new Drains({
		bus,
		clock,
		log: createLogger("silent"),
		verdict: () => now.verdict,
		ask:
			itself &&
			(async (address) => {
				asked.push(address);
				return itself();
			}),
	});
	const begin = (left = never) => {
		const call: { answer?: DrainAnswer } = {};
		void drains.drain(key, "daemon-3", left).then((answer) => {
			call.answer = answer;
		});
		return call;
	};
	const say = async (verdict: DrainVerdict) => {
		now.verdict = verdict;
		drains.changed(key);
		await turn();
	};
	return { bus, clock, drains, begin, say, asked };
}

describe("a call", () => {
	test("asks the proxies, again every 5 s, and answers when no build is left", async () => {
		const { bus, clock, begin, say } = start();
		const call = begin();
		expect(bus.drainRequests).toEqual([{ namespace: "default", pool: "default", daemon: "daemon-3" }]);
		clock.advance(drainRepeatMs);
		expect(bus.drainRequests).toHaveLength(2);
		await say({ t: "busy", builds: 2 });
		expect(call.answer).toBeUndefined();
		await say(released);
		expect(call.answer).toEqual({ t: "drained" });
		clock.advance(60_000);
		expect(bus.drainRequests).toHaveLength(2);
	});

	test.each<[DrainVerdict, DrainAnswer]>([
		[
			{ t: "busy", builds: 2 },
			{ t: "busy", why: "2 builds are on daemon-3" },
		],
		[
			{ t: "unclear", why: "x" },
			{ t: "unclear", why: "x" },
		],
	])("says after 20 s where it stands: $t", async (verdict, answer) => {
		const { clock, begin, say } = start();
		const call = begin();
		await say(verdict);
		clock.advance(19_999);
		await turn();
		expect(call.answer).toBeUndefined();
		clock.advance(1);
		await turn();
		expect(call.answer).toEqual(answer);
	});

	test("of another pool, or another's daemon, is answered at once", async () => {
		const { begin, say } = start();
		const call = begin();
		await say({ t: "foreign", why: "no proxy speaks for pool x" });
		expect(call.answer).toEqual({ t: "foreign", why: "no proxy speaks for pool x" });
	});

	test("ends when its caller leaves, and asks nobody any more", async () => {
		const { bus, clock, begin } = start();
		const leaving = new AbortController();
		const call = begin(leaving.signal);
		leaving.abort();
		await turn();
		expect(call.answer?.t).toBe("unclear");
		clock.advance(60_000);
		expect(bus.drainRequests).toHaveLength(1);
	});

	test("is one of any number for the same daemon, and all end together", async () => {
		const { begin, say } = start();
		const calls = [begin(), begin(), begin()];
		await say(released);
		expect(calls.map(({ answer }) => answer)).toEqual([{ t: "drained" }, { t: "drained" }, { t: "drained" }]);
	});

	test("is refused beyond 512, which frees as they end", async () => {
		const { begin, say } = start();
		const calls = Array.from({ length: 513 }, () => begin());
		await turn();
		expect(calls.at(-1)?.answer?.t).toBe("unclear");
		expect(calls.at(-2)?.answer).toBeUndefined();
		await say(released);
		const next = begin();
		await turn();
		expect(next.answer).toEqual({ t: "drained" });
	});

	test("is answered when the scaler stops, also one that comes then", async () => {
		const { drains, begin } = start();
		const call = begin();
		drains.stop();
		await turn();
		expect(call.answer).toEqual({ t: "unclear", why: "this scaler is stopping" });
		const late = begin();
		await turn();
		expect(late.answer?.t).toBe("unclear");
	});
});

describe("the daemon itself", () => {
	test("holds it for builds that came around the proxies, and is asked each second", async () => {
		let count = 1;
		const { clock, begin, say, asked } = start(() => ({ t: "builds", count }));
		const call = begin();
		await say(released);
		expect(asked).toEqual(["10.0.0.3:1234"]);
		expect(call.answer).toBeUndefined();
		count = 0;
		clock.advance(1_000);
		await turn();
		expect(asked).toHaveLength(2);
		expect(call.answer).toEqual({ t: "drained" });
	});

	test("that does not listen has no build; one that cannot be asked leaves it unclear", async () => {
		const down = start(() => ({ t: "down" }));
		const call = down.begin();
		await down.say(released);
		expect(call.answer).toEqual({ t: "drained" });

		const unknown = start(() => ({ t: "unknown", why: "no answer within 0.8 s" }));
		const held = unknown.begin();
		await unknown.say(released);
		for (let second = 0; second < 20; second++) {
			expect(held.answer).toBeUndefined();
			unknown.clock.advance(1_000);
			await turn();
		}
		expect(held.answer).toEqual({ t: "unclear", why: "daemon-3 cannot be asked: no answer within 0.8 s" });
	});
});

describe("POST /drain/<namespace>/<pool>/<pod>", () => {
	const answers: Record<DrainAnswer["t"], [number, RegExp]> = {
		drained: [200, /^drained: no build is on daemon-3, and none comes$/],
		busy: [202, /^busy: why$/],
		unclear: [503, /^unclear: why$/],
		foreign: [404, /^unknown: why$/],
	};

	test.each(["drained", "busy", "unclear", "foreign"] as const)("%s", async (t) => {
		const calls: unknown[] = [];
		const drain = async (...[of, daemon]: [string, string, AbortSignal]): Promise<DrainAnswer> => {
			calls.push([of, daemon]);
			return t === "drained" ? { t } : { t, why: "why" };
		};
		const counted: string[] = [];
		const answer = await drainEndpoint({ drain }, (of) => counted.push(of))(
			"/drain/builds/ci/daemon-3",
			never,
		);
		expect(calls).toEqual([["builds/ci", "daemon-3"]]);
		expect(answer?.status).toBe(answers[t][0]);
		expect(answer?.body).toMatch(answers[t][1]);
		expect(counted).toEqual([t]);
	});

	test("other paths are none, and names that cannot be are unknown", async () => {
		const drain = () => Promise.reject(new Error("not to be called"));
		const post = drainEndpoint({ drain }, () => {});
		for (const path of ["/drain", "/drain/a/b", "/drain/a/b/c/d", "/state"])
			expect(post(path, never)).toBeUndefined();
		expect(await post("/drain/A.b/pool/pod", never)).toMatchObject({ status: 404 });
		expect(await post(`/drain/a/b/${"x".repeat(254)}`, never)).toMatchObject({ status: 404 });
	});
});
