import { setImmediate as turn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { createLogger } from "../../../common/log.ts";
import { ManualClock } from "../../../test/helpers/manual-clock.ts";
import { daemonsOfAddresses, maxRecords } from "./dns-daemons.ts";
import type { DnsDaemons } from "./dns-lookup.ts";
import { DnsSource } from "./dns-source.ts";

interface Look {
	readonly signal: AbortSignal;
	resolve(found: DnsDaemons): void;
	reject(error: unknown): void;
}

const addresses = (...all: readonly string[]) => ({
	daemons: daemonsOfAddresses(all, 1234),
	records: all.length,
});
const servfail = () => Object.assign(new Error("queryA ESERVFAIL"), { code: "ESERVFAIL" });

function start() {
	const clock = new ManualClock();
	const log = createLogger("silent");
	const warnings: string[] = [];
	log.warn = (_fields: object, message?: string) => void warnings.push(message ?? "");
	const looks: Look[] = [];
	const lookup = {
		resolve(signal: AbortSignal) {
			const { promise, resolve, reject } = Promise.withResolvers<DnsDaemons>();
			signal.addEventListener("abort", () => reject(signal.reason));
			looks.push({ signal, resolve, reject });
			return promise;
		},
	};
	const source = new DnsSource("buildkitd.builds.svc", { lookup, clock, log });
	onTestFinished(() => source.close());
	let changes = 0;
	source.onChange(() => changes++);
	return {
		clock,
		source,
		warnings,
		looks,
		hosts: () => source.daemons.map(({ address }) => (address.t === "tcp" ? address.host : "")),
		changes: () => changes,
		async answer(found: DnsDaemons) {
			looks.at(-1)!.resolve(found);
			await turn();
		},
		async fail(error: unknown = servfail()) {
			looks.at(-1)!.reject(error);
			await turn();
		},
		/** How long until the next look begins. */
		nextAfter() {
			const before = looks.length;
			let waited = 0;
			for (; looks.length === before && waited < 20_000; waited += 100) clock.advance(100);
			return waited;
		},
	};
}

test("is not ready until the first answer; no records is one", async () => {
	const { source, fail, answer, nextAfter, hosts, changes } = start();
	expect(source.ready().reason).toContain("DNS has not answered yet");
	await fail();
	expect(source.ready().reason).toBe(
		"the daemons of DNS name buildkitd.builds.svc are not known: " +
			"the DNS server failed to answer for buildkitd.builds.svc (SERVFAIL)",
	);
	expect(nextAfter()).toBe(200);
	await answer(addresses());
	expect(source.ready()).toEqual({ ok: true });
	expect(hosts()).toEqual([]);
	expect(changes()).toBe(0);
});

test("asks every 5 s, and every half second while somebody waits, from the moment on that they do", async () => {
	const { source, clock, answer, nextAfter, looks, hosts } = start();
	await answer(addresses());
	expect(nextAfter()).toBe(5_000);
	await answer(addresses());
	clock.advance(300);
	source.hurry(true);
	expect(nextAfter()).toBe(200);
	await answer(addresses());
	clock.advance(400);
	// A queue that empties and fills again is no reason to ask more often.
	source.hurry(false);
	source.hurry(true);
	expect(looks).toHaveLength(3);
	expect(nextAfter()).toBe(100);
	await answer(addresses("10.0.0.1"));
	expect(hosts()).toEqual(["10.0.0.1"]);
	source.hurry(false);
	expect(nextAfter()).toBe(5_000);
	await answer(addresses("10.0.0.1"));
	clock.advance(3_000);
	source.hurry(true);
	expect(nextAfter()).toBe(100);
	expect(looks).toHaveLength(6);
});

test("hurry while a look is on its way starts no second one", async () => {
	const { source, clock, looks, answer, nextAfter } = start();
	source.hurry(true);
	clock.advance(2_000);
	expect(looks).toHaveLength(1);
	await answer(addresses());
	// And a server that takes 2 s to answer is given 2 s of rest.
	expect(nextAfter()).toBe(2_000);
});

test("keeps the last list while DNS fails, waits longer each time, and less long for somebody who waits", async () => {
	const { source, warnings, answer, fail, nextAfter, hosts } = start();
	await answer(addresses("10.0.0.1"));
	nextAfter();
	const delays: number[] = [];
	for (let failures = 0; failures < 8; failures++) {
		await fail();
		delays.push(nextAfter());
	}
	expect(delays).toEqual([200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
	expect(hosts()).toEqual(["10.0.0.1"]);
	expect(source.ready()).toEqual({ ok: true });
	expect(source.ageMs).toBe(37_600);
	expect(warnings).toHaveLength(1);
	await fail();
	source.hurry(true);
	expect(nextAfter()).toBe(1_000);
	await answer(addresses());
	expect(hosts()).toEqual([]);
	expect(source.ageMs).toBe(0);
});

test("records come and go; only changes are told", async () => {
	const { answer, nextAfter, changes } = start();
	for (const all of [["10.0.0.1"], ["10.0.0.1"], [], [], ["10.0.0.1", "10.0.0.2"]]) {
		await answer(addresses(...all));
		nextAfter();
	}
	expect(changes()).toBe(3);
});

test("a look that takes more than 10 s is given up", async () => {
	const { clock, looks, warnings } = start();
	clock.advance(10_000);
	await turn();
	expect(looks[0]?.signal.aborted).toBe(true);
	expect(warnings[0]).toContain("silent for too long");
});

test("too many records are said once", async () => {
	const { answer, nextAfter, warnings } = start();
	for (let look = 0; look < 3; look++) {
		await answer({ ...addresses("10.0.0.1"), records: maxRecords + 1 });
		nextAfter();
	}
	expect(warnings).toEqual([`only ${maxRecords} records are used`]);
});

test("close ends the look, keeps the list and leaves no timer", async () => {
	const { source, clock, looks, answer, nextAfter, warnings } = start();
	await answer(addresses("10.0.0.1"));
	nextAfter();
	source.close();
	expect(looks[1]?.signal.aborted).toBe(true);
	await turn();
	expect(source.daemons).toHaveLength(1);
	expect(clock.pending).toBe(0);
	expect(warnings).toEqual([]);
});
