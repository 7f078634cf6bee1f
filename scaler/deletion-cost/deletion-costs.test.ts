import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { ManualClock } from "../../test/helpers/manual-clock.ts";
import { poolEvent } from "../../test/helpers/pool-event.ts";
import { Ledger } from "../ledger.ts";
import { DeletionCosts } from "./deletion-costs.ts";
import { writeCostTo } from "./kubernetes-pods.ts";
import { podBuilds } from "./pod-builds.ts";

const key = "builds/ci";
const turn = () => new Promise((resolve) => setImmediate(resolve));

function start() {
	const clock = new ManualClock();
	let builds: ReadonlyMap<string, number> = new Map();
	const written: string[] = [];
	const lines: Record<string, unknown>[] = [];
	const api = { fails: false };
	const costs = new DeletionCosts({
		clock,
		log: pino({ base: {} }, { write: (line) => void lines.push(JSON.parse(line)) }),
		builds: () => builds,
		write: async ({ namespace, name }, cost) => {
			if (api.fails) throw new Error("the API server answered 403");
			written.push(`${namespace}/${name} ${cost}`);
		},
	});
	const become = async (now: Record<string, number>) => {
		builds = new Map(Object.entries(now));
		costs.changed(key);
		await turn();
		return written.splice(0);
	};
	const pass = async (ms: number) => {
		clock.advance(ms);
		await turn();
		return written.splice(0);
	};
	return { costs, become, pass, api, lines };
}

test("each pod's builds are written once, the busiest first, and again only when they change", async () => {
	const { become, pass } = start();
	expect(await become({ a: 0, b: 2, c: 1 })).toEqual(["builds/b 2", "builds/c 1", "builds/a 0"]);
	expect(await pass(60_000)).toEqual([]);
	expect(await become({ a: 0, b: 2, c: 1 })).toEqual([]);
	expect(await become({ a: 1, b: 2, c: 1 })).toEqual(["builds/a 1"]);
});

test("a change after a calm time is written at once, however much was heard meanwhile", async () => {
	const { become, pass } = start();
	await become({ a: 1, b: 1 });
	for (let heartbeats = 0; heartbeats < 4; heartbeats++) {
		expect(await pass(3_000)).toEqual([]);
		expect(await become({ a: 1, b: 1 })).toEqual([]);
	}
	expect(await become({ a: 0, b: 1 })).toEqual(["builds/a 0"]);
});

test("changes that follow one another are written together, every 5 s", async () => {
	const { become, pass } = start();
	expect(await become({ a: 1 })).toEqual(["builds/a 1"]);
	for (let builds = 2; builds < 100; builds++) expect(await become({ a: builds })).toEqual([]);
	expect(await pass(4_999)).toEqual([]);
	expect(await pass(1)).toEqual(["builds/a 99"]);
	expect(await pass(5_000)).toEqual([]);
});

test("a pod that comes back is written anew", async () => {
	const { become, pass } = start();
	await become({ a: 1, b: 1 });
	await pass(5_000);
	await become({ b: 2 });
	await pass(5_000);
	expect(await become({ a: 1, b: 2 })).toEqual(["builds/a 1"]);
});

test("at most 50 in a round; the others follow", async () => {
	const { become, pass } = start();
	const many = Object.fromEntries(Array.from({ length: 120 }, (_, at) => [`pod-${at}`, 1]));
	expect(await become(many)).toHaveLength(50);
	expect(await pass(5_000)).toHaveLength(50);
	expect(await pass(5_000)).toHaveLength(20);
	expect(await pass(5_000)).toEqual([]);
});

test("what fails is tried again each round, and logged once a minute", async () => {
	const { become, pass, api, lines, costs } = start();
	api.fails = true;
	expect(await become({ a: 1, b: 1 })).toEqual([]);
	await pass(5_000);
	expect(lines).toMatchObject([{ pool: key, error: "the API server answered 403" }]);
	api.fails = false;
	expect(await pass(5_000)).toEqual(["builds/a 1", "builds/b 1"]);
	await become({ a: 2, b: 1 });
	costs.close();
	await become({ a: 3, b: 1 });
	expect(await pass(60_000)).toEqual([]);
});

test("the builds of all proxies, on pods without an ordinal that stay", () => {
	const ledger = new Ledger();
	const daemon = { address: "10.0.0.1:1234", ordinal: null, active: 1, idle: 0, draining: false };
	const say = (proxy: string, daemons: object[]) => {
		const event = poolEvent({ proxy });
		const all = daemons.map((of) => ({ ...daemon, name: "?", ...of }));
		ledger.record({ ...event, snapshot: { ...event.snapshot, daemons: all } }, 0);
	};
	say("a", [{ name: "d-x" }, { name: "d-y", active: 0 }, { name: "d-z" }, { name: "s-0", ordinal: 0 }]);
	say("b", [
		{ name: "d-x", active: 2 },
		{ name: "d-z", draining: true },
	]);
	say("c", [{ name: "10.0.0.1:1234" }, { name: "10.0.0.1" }, { name: "Not/a pod" }]);
	expect([...podBuilds(ledger.get("default/default"))]).toEqual([
		["d-x", 3],
		["d-y", 0],
	]);
	expect(podBuilds(undefined).size).toBe(0);
});

describe("the API server", () => {
	async function apiServer(status: number) {
		const requests: { method: string; url: string; type: string; body: string }[] = [];
		const server = http.createServer(async (request, response) => {
			let body = "";
			for await (const chunk of request) body += chunk;
			const { method = "", url = "", headers } = request;
			requests.push({ method, url, type: headers["content-type"] ?? "", body });
			if (status > 0) response.writeHead(status, { "content-type": "application/json" }).end("{}");
		});
		await once(server.listen(0, "127.0.0.1"), "listening");
		onTestFinished(() => {
			server.closeAllConnections();
			server.close();
		});
		const config = new KubeConfig();
		config.loadFromClusterAndUser(
			{
				name: "test",
				server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
				skipTLSVerify: true,
			},
			{ name: "test", token: "secret" },
		);
		const write = (signal = AbortSignal.timeout(5_000)) =>
			writeCostTo(config)({ namespace: "builds", name: "d-x" }, 3, signal);
		return { write, requests };
	}

	test("gets a merge patch of the one annotation", async () => {
		const { write, requests } = await apiServer(200);
		await write();
		expect(requests).toEqual([
			{
				method: "PATCH",
				url: "/api/v1/namespaces/builds/pods/d-x",
				type: "application/merge-patch+json",
				body: '{"metadata":{"annotations":{"controller.kubernetes.io/pod-deletion-cost":"3"}}}',
			},
		]);
	});

	test("may not know the pod any more; anything else is told in a line", async () => {
		await (await apiServer(404)).write();
		await expect((await apiServer(403)).write()).rejects.toThrow(/^the API server answered 403$/);
		await expect((await apiServer(0)).write(AbortSignal.timeout(50))).rejects.toThrow();
	});
});
