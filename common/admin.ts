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
	/** What /snapshots answers, as JSON: a proxy's alone. */
	readonly snapshots?: () => unknown;
	/** Goes on with what GET /events answers until its reader leaves: a standalone replica's alone. */
	readonly events?: ((response: http.ServerResponse) => void) | undefined;
	/** What POST answers, undefined for a path that is none; the signal is aborted when the caller leaves. */
	readonly post?: (pathname: string, signal: AbortSignal) => Promise<PostAnswer> | undefined;
}

export interface PostAnswer {
	readonly status: number;
	/** One line. */
	readonly body: string;
}

/** Above the long polls that there may be, so that a probe always gets through. */
const maxConnections = 1_024;

/** The admin HTTP server: /healthz, /readyz, /metrics (Prometheus) and /state (JSON), and what `post` has. Throws LISTEN_FAILED. */
export async function startAdmin(
	address: { readonly host: string; readonly port: number },
	sources: AdminSources,
): Promise<{ readonly port: number; close(): Promise<void> }> {
	const server = http.createServer(
		{ requestTimeout: 10_000, headersTimeout: 5_000, maxHeaderSize: 8_192 },
		(request, response) => {
			if (sources.events !== undefined && request.method === "GET" && request.url === "/events")
				return sources.events(response);
			answer(request, response, sources).then(
				({ status, type, body }) => response.writeHead(status, { "content-type": type }).end(body),
				(error: Error) => response.writeHead(500, { "content-type": "text/plain" }).end(`${error.message}\n`),
			);
		},
	);
	server.maxConnections = maxConnections;
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
	response: http.ServerResponse,
	{ ready, registry, state, snapshots, post }: AdminSources,
): Promise<{ status: number; type: string; body: string }> {
	const text = (status: number, body: string) => ({ status, type: "text/plain", body: `${body}\n` });
	const { pathname } = new URL(request.url ?? "/", "http://admin");
	if (request.method === "POST" && post !== undefined) {
		const posted = post(pathname, callerLeft(request, response));
		if (posted === undefined) return text(404, "there is nothing to POST to at this path");
		const { status, body } = await posted;
		return text(status, body);
	}
	if (request.method !== "GET" && request.method !== "HEAD") return text(405, "only GET");
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
		case "/snapshots":
			if (snapshots === undefined) return text(404, "only proxies have snapshots");
			return { status: 200, type: "application/json", body: JSON.stringify(snapshots()) };
		default:
			return text(404, "there is /healthz, /readyz, /metrics and /state");
	}
}

function callerLeft(request: http.IncomingMessage, response: http.ServerResponse): AbortSignal {
	// What it sends is of no interest, but must be read.
	request.resume();
	const left = new AbortController();
	response.once("close", () => left.abort());
	return left.signal;
}
