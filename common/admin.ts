import http from "node:http";
import type { Registry } from "prom-client";
import { listen } from "./listen.ts";

export interface Readiness {
	readonly ok: boolean;
	readonly reason?: string;
}

export interface AdminSources {
	readonly ready: () => Readiness;
	readonly registry: Registry;
	/** What /state answers, as JSON. */
	readonly state: () => unknown;
}

/** The admin HTTP server: /healthz, /readyz, /metrics (Prometheus) and /state (JSON). Throws LISTEN_FAILED. */
export async function startAdmin(
	address: { readonly host: string; readonly port: number },
	sources: AdminSources,
): Promise<{ readonly port: number; close(): Promise<void> }> {
	const server = http.createServer(
		{ requestTimeout: 10_000, headersTimeout: 5_000, maxHeaderSize: 8_192 },
		(request, response) => {
			answer(request, sources).then(
				({ status, type, body }) => response.writeHead(status, { "content-type": type }).end(body),
				(error: Error) => response.writeHead(500, { "content-type": "text/plain" }).end(`${error.message}\n`),
			);
		},
	);
	server.maxConnections = 256;
	const { port } = await listen(server, address);
	return {
		port,
		async close() {
			server.closeAllConnections();
			await new Promise<void>((resolve) => server.close(() => resolve()));
		},
	};
}

async function answer(
	request: http.IncomingMessage,
	{ ready, registry, state }: AdminSources,
): Promise<{ status: number; type: string; body: string }> {
	const text = (status: number, body: string) => ({ status, type: "text/plain", body: `${body}\n` });
	if (request.method !== "GET" && request.method !== "HEAD") return text(405, "only GET");
	const { pathname } = new URL(request.url ?? "/", "http://admin");
	switch (pathname) {
		case "/healthz":
			return text(200, "ok");
		case "/readyz": {
			const { ok, reason } = ready();
			return ok ? text(200, "ready") : text(503, `not ready: ${reason ?? "starting"}`);
		}
		case "/metrics":
			return { status: 200, type: registry.contentType, body: await registry.metrics() };
		case "/state":
			return { status: 200, type: "application/json", body: `${JSON.stringify(state(), null, "\t")}\n` };
		default:
			return text(404, "there is /healthz, /readyz, /metrics and /state");
	}
}
