import { setImmediate as turn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { createLogger } from "../../common/log.ts";
import { ApiStatusError } from "../../kubernetes/api-status-error.ts";
import { type EndpointSlice, readSlice } from "../../kubernetes/endpoint-slice.ts";
import type { SliceList } from "../../kubernetes/endpoint-slice-watch.ts";
import { ManualClock } from "../../test/helpers/manual-clock.ts";
import { TestSliceApi } from "../../test/helpers/slice-api.ts";
import { EndpointSliceSource } from "./endpoint-slice-source.ts";

function slice(version: string, ...pods: readonly string[]): EndpointSlice {
	return readSlice({
		metadata: { name: "s", resourceVersion: version },
		endpoints: pods.map((name, at) => ({
			addresses: [`10.0.0.${at + 1}`],
			hostname: name,
			targetRef: { name },
		})),
		ports: [{ name: "buildkit", port: 1234 }],
	});
}

function start() {
	const api = new TestSliceApi();
	const clock = new ManualClock();
	const warnings: string[] = [];
	const log = createLogger("silent");
	log.warn = (_fields: object, message?: string) => void warnings.push(message ?? "");
	const source = new EndpointSliceSource(
		{ namespace: "builds", service: "buildkitd", port: "buildkit" },
		{ api, clock, log },
	);
	onTestFinished(() => source.close());
	let changes = 0;
	source.onChange(() => changes++);
	const names = () => source.daemons.map(({ name }) => name);
	const settle = async () => {
		await turn();
	};
	return {
		api,
		clock,
		source,
		warnings,
		names,
		settle,
		get changes() {
			return changes;
		},
		async list(list: SliceList) {
			api.lists.at(-1)!.resolve(list);
			await settle();
		},
		async put(one: EndpointSlice) {
			const event = { t: "put", slice: one, version: one.metadata.resourceVersion } as const;
			api.watches.at(-1)!.handlers.onEvent(event);
			await settle();
		},
	};
}

/** With one daemon listed and a watch that holds. */
async function started() {
	const all = start();
	await all.list({ slices: [slice("1", "d-0")], version: "5" });
	all.api.watches[0]!.handlers.onConnected();
	return all;
}

test("is not ready until the first list, and says what keeps it", async () => {
	const { api, clock, source, list, settle } = start();
	expect(source.ready()).toMatchObject({ ok: false });
	api.lists[0]!.reject(new ApiStatusError(403, ""));
	await settle();
	expect(source.ready().reason).toMatch(/Service buildkitd are not known: forbidden .*namespace builds/);
	clock.advance(200);
	await settle();
	await list({ slices: [], version: "1" });
	expect(source.ready()).toEqual({ ok: true });
	expect(source.daemons).toEqual([]);
});

test("watches on from the list, and tells changes only", async () => {
	const all = await started();
	expect(all.names()).toEqual(["d-0"]);
	expect(all.api.watches[0]?.version).toBe("5");
	expect(all.changes).toBe(1);
	await all.put(slice("6", "d-0", "d-1"));
	expect(all.names()).toEqual(["d-0", "d-1"]);
	await all.put(slice("7", "d-0", "d-1"));
	expect(all.changes).toBe(2);
	all.api.watches[0]!.handlers.onEvent({ t: "deleted", name: "s", version: "8" });
	expect(all.names()).toEqual([]);
});

test("a watch that ends in good order goes on from the last version, a bookmark's too, without a list", async () => {
	const all = await started();
	all.api.watches[0]!.handlers.onEvent({ t: "bookmark", version: "90" });
	all.clock.advance(25_000);
	all.api.watches[0]!.end();
	await all.settle();
	expect(all.api.watches[1]?.version).toBe("90");
	expect(all.api.lists).toHaveLength(1);
	expect(all.warnings).toEqual([]);
});

test.each([
	["410", new ApiStatusError(410, "too old resource version")],
	["a broken connection", new Error("other side closed")],
])("after %s it lists again, and keeps its view until then", async (_what, error) => {
	const all = await started();
	all.clock.advance(5_000);
	all.api.watches[0]!.fail(error);
	await all.settle();
	expect(all.api.watches[0]?.signal.aborted).toBe(true);
	all.clock.advance(199);
	await all.settle();
	expect(all.api.lists).toHaveLength(1);
	all.clock.advance(1);
	await all.settle();
	expect(all.names()).toEqual(["d-0"]);
	expect(all.source.ready()).toEqual({ ok: true });
	await all.list({ slices: [slice("9", "d-1")], version: "9" });
	expect(all.names()).toEqual(["d-1"]);
	expect(all.api.watches[1]?.version).toBe("9");
});

test("waits longer after each failure in a row, at most 10 s; a watch that held forgives them", async () => {
	const all = await started();
	all.clock.advance(1_000);
	all.api.watches[0]!.fail(new Error("gone"));
	const delays: number[] = [];
	for (let at = 1; at <= 9; at++) {
		await all.settle();
		let waited = 0;
		for (; all.api.lists.length === at && waited < 20_000; waited += 100) {
			all.clock.advance(100);
			await all.settle();
		}
		delays.push(waited);
		all.api.lists.at(-1)!.reject(new Error("refused"));
	}
	expect(delays).toEqual([200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000]);
	await all.settle();
	all.clock.advance(10_000);
	await all.settle();
	await all.list({ slices: [], version: "1" });
	all.api.watches[1]!.handlers.onConnected();
	all.clock.advance(1_000);
	all.api.watches[1]!.fail(new Error("gone"));
	await all.settle();
	all.clock.advance(200);
	await all.settle();
	expect(all.api.lists).toHaveLength(12);
});

test("a watch that is refused or ended at once is not tried without a pause", async () => {
	const all = await started();
	for (const tried of [1, 2, 3]) {
		all.api.watches.at(-1)!.end();
		await all.settle();
		expect(all.api.lists).toHaveLength(tried);
		all.clock.advance(200 * 2 ** (tried - 1));
		await all.settle();
		await all.list({ slices: [slice("9", "d-0")], version: "9" });
	}
	expect(all.api.watches).toHaveLength(4);
});

test("a list that is not answered is given up after 10 s", async () => {
	const all = start();
	all.clock.advance(10_000);
	await all.settle();
	expect(all.source.ready().reason).toContain("silent");
	all.clock.advance(200);
	await all.settle();
	expect(all.api.lists).toHaveLength(2);
});

test("the age grows while the API server is away, and each trouble is told once a minute", async () => {
	const all = await started();
	all.clock.advance(25_000);
	expect(all.source.ageMs).toBe(25_000);
	all.api.watches[0]!.handlers.onEvent({ t: "bookmark", version: "6" });
	expect(all.source.ageMs).toBe(0);
	all.api.watches[0]!.fail(new Error("refused"));
	for (let s = 0; s < 75; s++) {
		await all.settle();
		all.clock.advance(1_000);
		await all.settle();
		const last = all.api.lists.at(-1)!;
		if (!last.signal.aborted) last.reject(new Error("refused"));
	}
	expect(all.source.ageMs).toBe(75_000);
	expect(all.warnings).toHaveLength(2);
	expect(all.warnings[0]).toContain("refused");
});

test("a name that is probably wrong is told once", async () => {
	const all = start();
	await all.list({ slices: [], version: "1" });
	expect(all.warnings).toEqual(["namespace builds has no Service buildkitd, or it selects nothing"]);
	const other = readSlice({ ...slice("2", "d-0"), ports: [{ name: "grpc", port: 1234 }, { name: "x" }] });
	await all.put(other);
	await all.put({ ...other, metadata: { name: "s", resourceVersion: "3" } });
	expect(all.warnings.slice(1)).toEqual([
		'Service buildkitd has no TCP port named "buildkit", but "grpc", "x"',
	]);
});

test("close ends the watch, keeps the view and leaves no timer", async () => {
	const all = await started();
	all.source.close();
	expect(all.api.watches[0]?.signal.aborted).toBe(true);
	await all.put(slice("6", "d-7"));
	all.api.watches[0]!.fail(new Error("aborted"));
	await all.settle();
	expect(all.names()).toEqual(["d-0"]);
	expect(all.api.lists).toHaveLength(1);
	expect(all.clock.pending).toBe(0);
	expect(all.warnings).toEqual([]);
});
