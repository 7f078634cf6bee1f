import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";
import { expect, onTestFinished, test } from "vitest";
import { KubernetesPodApi } from "./pod-api.ts";

const never = new AbortController().signal;

/** An API server on a real socket. */
async function apiServer(answer: (path: string) => { status?: number; body: object }) {
	const requests: URL[] = [];
	const server = http.createServer((request, response) => {
		const url = new URL(request.url ?? "", "http://api");
		requests.push(url);
		const { status = 200, body } = answer(url.pathname);
		response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
	});
	await once(server.listen(0, "127.0.0.1"), "listening");
	onTestFinished(() => {
		server.closeAllConnections();
		server.close();
	});
	const config = new KubeConfig();
	const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	config.loadFromClusterAndUser({ name: "t", server: url, skipTLSVerify: true }, { name: "t", token: "t" });
	return { requests, api: new KubernetesPodApi(config, { namespace: "builds", service: "buildkitd" }) };
}

test("the Service's selector, all of it; none for one that selects nothing", async () => {
	let spec: object = { clusterIP: "None", selector: { app: "buildkitd", "example.com/pool": "a" } };
	const { api, requests } = await apiServer(() => ({ body: { kind: "Service", metadata: {}, spec } }));
	expect(await api.selector(never)).toBe("app=buildkitd,example.com/pool=a");
	expect(requests[0]?.pathname).toBe("/api/v1/namespaces/builds/services/buildkitd");
	spec = { clusterIP: "None" };
	expect(await api.selector(never)).toBeUndefined();
});

test("pods by labels and events by fields, not more than a few hundred", async () => {
	const created = "2026-01-01T00:00:00Z";
	const { api, requests } = await apiServer((path) => {
		const pod = { metadata: { name: "b-0", uid: "u", creationTimestamp: created }, spec: { containers: [] } };
		const event = {
			metadata: { name: "b-0.1", creationTimestamp: created },
			involvedObject: { kind: "Pod", name: "b-0", uid: "u" },
			eventTime: "2026-01-01T00:00:05.123456Z",
			lastTimestamp: null,
			type: "Warning",
			reason: "FailedMount",
			message: "no",
		};
		return { body: { metadata: {}, items: [path.endsWith("pods") ? pod : event] } };
	});
	const [pod] = await api.pods("app=buildkitd", never);
	expect(pod?.metadata).toMatchObject({ name: "b-0", creationTimestamp: Date.parse(created) });
	expect(await api.events("reason=FailedMount,involvedObject.uid=u", never)).toEqual([
		{
			kind: "Pod",
			name: "b-0",
			uid: "u",
			warning: true,
			reason: "FailedMount",
			message: "no",
			at: Date.parse("2026-01-01T00:00:05.123Z"),
		},
	]);
	expect(requests.map(({ pathname, searchParams }) => [pathname, Object.fromEntries(searchParams)])).toEqual([
		["/api/v1/namespaces/builds/pods", { labelSelector: "app=buildkitd", limit: "500" }],
		[
			"/api/v1/namespaces/builds/events",
			{ fieldSelector: "reason=FailedMount,involvedObject.uid=u", limit: "200" },
		],
	]);
});

test("a refusal rejects with its status", async () => {
	const { api } = await apiServer(() => ({ status: 403, body: { kind: "Status", code: 403 } }));
	await expect(api.pods("a=b", never)).rejects.toMatchObject({ code: 403 });
});
