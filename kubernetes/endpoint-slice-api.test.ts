import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";
import { expect, onTestFinished, test } from "vitest";
import type { SliceEvent } from "./endpoint-slice.ts";
import { KubernetesSliceApi } from "./endpoint-slice-api.ts";

const never = new AbortController().signal;
const path = "/apis/discovery.k8s.io/v1/namespaces/builds/endpointslices";
const object = { metadata: { name: "s-1", resourceVersion: "7" }, endpoints: null, ports: null };

/** An API server on a real socket. */
async function apiServer(answer: http.RequestListener) {
	const requests: URL[] = [];
	const server = http.createServer((request, response) => {
		requests.push(new URL(request.url ?? "", "http://api"));
		answer(request, response);
	});
	await once(server.listen(0, "127.0.0.1"), "listening");
	onTestFinished(() => {
		server.closeAllConnections();
		server.close();
	});
	const config = new KubeConfig();
	const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	config.loadFromClusterAndUser(
		{ name: "test", server: url, skipTLSVerify: true },
		{ name: "test", token: "secret" },
	);
	const api = new KubernetesSliceApi(config, { namespace: "builds", service: "buildkitd" });
	return { api, server, requests };
}

const json = { "content-type": "application/json" };
const line = (type: string, of: object) => `${JSON.stringify({ type, object: of })}\n`;

function handlers() {
	const events: SliceEvent[] = [];
	let connected = 0;
	return {
		events,
		connected: () => connected,
		onConnected: () => void connected++,
		onEvent: (event: SliceEvent) => void events.push(event),
	};
}

test("lists the Service's slices", async () => {
	const list = { kind: "EndpointSliceList", metadata: { resourceVersion: "42" }, items: [object] };
	const { api, requests } = await apiServer((request, response) => {
		expect(request.headers.authorization).toBe("Bearer secret");
		response.writeHead(200, json).end(JSON.stringify(list));
	});
	const { slices, version } = await api.list(never);
	expect(version).toBe("42");
	expect(slices.map(({ metadata }) => metadata)).toEqual([object.metadata]);
	expect(requests[0]?.pathname).toBe(path);
	expect(Object.fromEntries(requests[0]!.searchParams)).toEqual({
		labelSelector: "kubernetes.io/service-name=buildkitd",
	});
});

test("a list that is refused or given up rejects", async () => {
	const asked = Promise.withResolvers<void>();
	const { api } = await apiServer((_request, response) => {
		response.writeHead(403, json).end(JSON.stringify({ kind: "Status", code: 403 }));
	});
	await expect(api.list(never)).rejects.toMatchObject({ code: 403 });
	const silent = await apiServer(() => asked.resolve());
	const giveUp = new AbortController();
	const given = expect(silent.api.list(giveUp.signal)).rejects.toThrow(/abort/i);
	await asked.promise;
	giveUp.abort();
	await given;
});

test("watches from a version, with bookmarks and an end, and gives each event", async () => {
	const { api, requests } = await apiServer((_request, response) => {
		response.writeHead(200, json);
		response.write(line("ADDED", object));
		response.write(line("SOMETHING_NEW", {}));
		response.write(line("BOOKMARK", { metadata: { resourceVersion: "9" } }));
		response.end(line("DELETED", { ...object, metadata: { name: "s-1", resourceVersion: "10" } }));
	});
	const given = handlers();
	await api.watch("5", given, never);
	expect(given.events.map(({ t, version }) => [t, version])).toEqual([
		["put", "7"],
		["bookmark", "9"],
		["deleted", "10"],
	]);
	expect(given.connected()).toBe(1);
	expect(Object.fromEntries(requests[0]!.searchParams)).toEqual({
		watch: "true",
		labelSelector: "kubernetes.io/service-name=buildkitd",
		resourceVersion: "5",
		allowWatchBookmarks: "true",
		timeoutSeconds: "25",
	});
});

test.each([
	["an error event", line("ERROR", { kind: "Status", code: 410, message: "too old" }), { statusCode: 410 }],
	["an object that is no slice", line("MODIFIED", { metadata: {} }), { name: "ZodError" }],
])("%s ends the watch", async (_what, text, error) => {
	const { api } = await apiServer((_request, response) => void response.writeHead(200, json).write(text));
	const given = new AbortController();
	await expect(api.watch("5", handlers(), given.signal)).rejects.toMatchObject(error);
	given.abort();
});

test("a watch that is refused rejects and was never connected", async () => {
	const { api } = await apiServer((_request, response) => void response.writeHead(410).end());
	const given = handlers();
	await expect(api.watch("5", given, never)).rejects.toMatchObject({ statusCode: 410 });
	expect(given.connected()).toBe(0);
});

test("a watch that is given up closes its connection", async () => {
	const { api, server } = await apiServer(
		(_request, response) => void response.writeHead(200, json).write("\n"),
	);
	const connection = once(server, "connection");
	const giveUp = new AbortController();
	const connected = Promise.withResolvers<void>();
	const watch = api.watch("5", { onConnected: connected.resolve, onEvent() {} }, giveUp.signal);
	const ended = watch.catch(() => {});
	await connected.promise;
	const [socket] = await connection;
	const closed = once(socket, "close");
	giveUp.abort();
	await Promise.all([closed, ended]);
});
