import http from "node:http";
import type { AddressInfo } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";
import { expect, onTestFinished, test } from "vitest";
import { KubernetesScaleApi } from "./scale.ts";
import type { Workload } from "./workload.ts";

const workload: Workload = { kind: "StatefulSet", namespace: "builds", name: "buildkitd" };
const never = new AbortController().signal;

interface Request {
	readonly line: string;
	readonly type: string | undefined;
	readonly body: string;
}

/** An API server that answers every request with the same. */
async function apiServer(status: number | "silent", answer: object = {}) {
	const requests: Request[] = [];
	const server = http.createServer(async (request, response) => {
		let body = "";
		for await (const chunk of request) body += chunk;
		requests.push({
			line: `${request.method} ${request.url}`,
			type: request.headers["content-type"],
			body,
		});
		if (status === "silent") return;
		response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	onTestFinished(() => {
		server.closeAllConnections();
		server.close();
	});
	const { port } = server.address() as AddressInfo;
	const config = new KubeConfig();
	config.loadFromClusterAndUser(
		{ name: "test", server: `http://127.0.0.1:${port}`, skipTLSVerify: true },
		{ name: "test" },
	);
	return { api: new KubernetesScaleApi(config), requests, close: () => server.close() };
}

const scale = { metadata: { resourceVersion: "7" }, spec: { replicas: 2 }, status: { replicas: 1 } };

test.each([
	["StatefulSet", "statefulsets"],
	["Deployment", "deployments"],
] as const)(
	"reads and patches the scale of a %s, if it is still the one that was seen",
	async (kind, plural) => {
		const { api, requests } = await apiServer(200, scale);
		const seen = await api.read({ ...workload, kind }, never);
		expect(seen).toEqual({ replicas: 2, existing: 1, version: "7" });
		expect(await api.patch({ ...workload, kind }, 5, seen, never)).toEqual(seen);
		const path = `/apis/apps/v1/namespaces/builds/${plural}/buildkitd/scale`;
		expect(requests).toEqual([
			{ line: `GET ${path}`, type: undefined, body: "" },
			{
				line: `PATCH ${path}`,
				type: "application/merge-patch+json",
				body: '{"metadata":{"resourceVersion":"7"},"spec":{"replicas":5}}',
			},
		]);
	},
);

test("a zero that the answer leaves out is a zero", async () => {
	const { api } = await apiServer(200, { metadata: { resourceVersion: "7" }, spec: {}, status: {} });
	expect(await api.read(workload, never)).toEqual({ replicas: 0, existing: 0, version: "7" });
});

test.each([
	[401, "KUBERNETES_FORBIDDEN", "credentials"],
	[
		403,
		"KUBERNETES_FORBIDDEN",
		"the scale of StatefulSet builds/buildkitd: forbidden (403): the service account needs patch on " +
			"statefulsets/scale (apps) in namespace builds",
	],
	[404, "KUBERNETES_NOT_FOUND", "there is none"],
	[409, "KUBERNETES_CONFLICT", "somebody else changed it"],
	[500, "KUBERNETES_FAILED", "answered 500"],
] as const)("status %i is %s", async (status, code, words) => {
	const { api } = await apiServer(status, { kind: "Status", message: "…" });
	const error = await api
		.patch(workload, 1, { replicas: 0, existing: 0, version: "7" }, never)
		.catch((e) => e);
	expect(error).toMatchObject({ code });
	expect(error.message).toContain(words);
});

test("no answer, no server and an answer without a version are failures too", async () => {
	const silent = await apiServer("silent");
	const late = silent.api.read(workload, AbortSignal.timeout(50));
	await expect(late).rejects.toMatchObject({
		code: "KUBERNETES_FAILED",
		message: expect.stringContaining("in time"),
	});
	const gone = await apiServer(200, scale);
	gone.close();
	await expect(gone.api.read(workload, never)).rejects.toMatchObject({ code: "KUBERNETES_FAILED" });
	const odd = await apiServer(200, { spec: { replicas: 1 } });
	await expect(odd.api.read(workload, never)).rejects.toThrow("it has no resourceVersion");
});
