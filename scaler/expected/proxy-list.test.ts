import { setImmediate as turn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { createLogger } from "../../common/log.ts";
import { type EndpointSlice, readSlice } from "../../kubernetes/endpoint-slice.ts";
import { ManualClock } from "../../test/helpers/manual-clock.ts";
import { TestSliceApi } from "../../test/helpers/slice-api.ts";
import { ProxyList } from "./proxy-list.ts";

function slice(...pods: readonly string[]): EndpointSlice {
	return readSlice({
		metadata: { name: "s", resourceVersion: "1" },
		endpoints: pods.map((name, at) => ({ addresses: [`10.0.0.${at + 1}`], targetRef: { name } })),
		ports: null,
	});
}

async function setup(...pods: readonly string[]) {
	const api = new TestSliceApi();
	const clock = new ManualClock();
	const service = { namespace: "builds", service: "proxies" };
	const list = new ProxyList(service, 8081, { api, clock, log: createLogger("silent") });
	onTestFinished(() => list.close());
	let changes = 0;
	list.onChange(() => changes++);
	const put = async (...now: readonly string[]) => {
		api.watches.at(-1)!.handlers.onEvent({ t: "put", slice: slice(...now), version: "2" });
		await turn();
	};
	const begin = async () => {
		api.lists.at(-1)!.resolve({ slices: [slice(...pods)], version: "1" });
		await turn();
		api.watches.at(-1)!.handlers.onConnected();
	};
	const names = () => list.pods.map(({ name }) => name);
	return { api, clock, list, put, begin, names, changes: () => changes };
}

test("is unlisted until the first answer, also of nobody", async () => {
	const { list, begin, changes } = await setup();
	expect(list.expected).toMatchObject({
		t: "unlisted",
		why: expect.stringMatching(/proxies of Service proxies/),
	});
	await begin();
	expect(list.expected).toEqual({ t: "listed", proxies: [], current: true });
	expect(changes()).toBe(1);
});

test("tells changes only, and keeps since when a pod is listed and was found empty", async () => {
	const { clock, list, begin, put, names, changes } = await setup("a");
	await begin();
	clock.advance(1_000);
	list.foundEmpty("10.0.0.1:8081");
	list.foundEmpty("10.0.0.1:8081");
	expect(changes()).toBe(2);
	await put("a");
	expect(changes()).toBe(2);
	await put("a", "b");
	expect(changes()).toBe(3);
	const [a, b] = list.pods;
	expect(a).toMatchObject({ name: "a", listedAt: 0, emptyAt: 1_000 });
	expect(b).toMatchObject({ name: "b", listedAt: 1_000, emptyAt: undefined });
	await put("a");
	expect([names(), changes()]).toEqual([["a"], 4]);
	await put("b");
	expect(names()).toEqual(["b"]);
	// Another pod has its address now: nobody has looked there yet.
	expect(list.pods[0]).toMatchObject({ admin: "10.0.0.1:8081", emptyAt: undefined });
});

test("keeps its last view while the API is away, and says that it is old", async () => {
	const { api, clock, list, begin, names } = await setup("a");
	await begin();
	api.watches[0]!.fail(new Error("gone"));
	await turn();
	clock.advance(29_999);
	expect(list.expected).toMatchObject({ current: true });
	clock.advance(1);
	expect(list.expected).toMatchObject({ t: "listed", current: false });
	expect(names()).toEqual(["a"]);
});
