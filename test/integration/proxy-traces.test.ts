import http from "node:http";
import net from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { encodeField } from "../../proxy/hold/hpack.ts";
import { flag, frame, frameType, settingsAck } from "../../proxy/hold/http2.ts";
import { openTraces } from "../../proxy/observe/open-traces.ts";
import { Traces } from "../../proxy/observe/traces.ts";
import { CliProcess } from "../helpers/cli-process.ts";
import { connectionMove } from "../helpers/connection-move.ts";
import { clientOpening, RawClient } from "../helpers/raw-client.ts";
import { startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy } from "../helpers/test-proxy.ts";
import { findProgram } from "../tools/programs.ts";

interface OtlpSpan {
	readonly traceId: string;
	readonly spanId: string;
	readonly parentSpanId?: string;
	readonly name: string;
	readonly startTimeUnixNano: string;
	readonly endTimeUnixNano: string;
	readonly status: { readonly code?: number; readonly message?: string };
}

/** A collector that takes OTLP/HTTP in JSON (opentelemetry-proto, "OTLP/HTTP Request"). */
async function startCollector(status = 200) {
	const spans: OtlpSpan[] = [];
	const requests: http.IncomingMessage[] = [];
	const arrived = new Set<() => void>();
	const server = http.createServer(async (incoming, response) => {
		requests.push(incoming);
		const chunks: Buffer[] = [];
		for await (const chunk of incoming) chunks.push(chunk);
		const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString());
		for (const { scopeSpans } of resourceSpans) for (const scope of scopeSpans) spans.push(...scope.spans);
		response.writeHead(status, { "content-type": "application/json" }).end("{}");
		for (const check of arrived) check();
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	onTestFinished(() => {
		server.closeAllConnections();
		server.close();
	});
	const { port } = server.address() as net.AddressInfo;
	return {
		endpoint: `http://127.0.0.1:${port}`,
		spans,
		requests,
		/** Resolves once so many spans have arrived. */
		received: (count: number) =>
			new Promise<void>((resolve) => {
				const check = () => {
					if (spans.length >= count) resolve();
				};
				arrived.add(check);
				check();
			}),
	};
}

/** A collector that takes connections and never answers; `asked` resolves with the first. */
async function startSilence(): Promise<{ endpoint: string; asked: Promise<void> }> {
	const server = net.createServer((socket) => void socket.on("error", () => {}).resume());
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const asked = new Promise<void>((resolve) => server.once("connection", () => resolve()));
	onTestFinished(() => void server.close());
	const { port } = server.address() as net.AddressInfo;
	return { endpoint: `http://127.0.0.1:${port}`, asked };
}

/** A build's first request, made within a trace. */
function traced(traceParent: string): Buffer {
	const block = [
		encodeField(":path", "/moby.buildkit.v1.Control/Solve"),
		encodeField("traceparent", traceParent),
	];
	return frame(frameType.headers, flag.endHeaders, 1, Buffer.concat(block));
}

const abandoned = { from: "waiting", state: "closed", reason: "clientGone", build: {} } as const;

const soon = { instance: "proxy-0", delayMs: 10 };

test("a build is one trace, a span for each phase, part of its client's own trace", async () => {
	const { endpoint, spans, received, requests } = await startCollector();
	const proxy = await startTestProxy({
		traces: (clock, registry) => new Traces({ ...soon, endpoint }, clock, registry),
	});
	const { port, clock, source, moves, until } = proxy;
	const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
	const client = await RawClient.connect(port);
	client.send(Buffer.concat([clientOpening, settingsAck, traced(`00-${traceId}-00f067aa0ba902b7-01`)]));
	await until(() => moves.at(-1)?.state === "waiting");
	clock.advance(60_000);
	const daemon = await startStandIn();
	source.set([daemon.port]);
	await until(() => moves.at(-1)?.state === "live");
	clock.advance(5_000);
	client.socket.end();
	await received(3);
	const [root, wake, relay] = ["build", "wake", "relay"].map((name) => spans.find((s) => s.name === name));
	expect(spans).toHaveLength(3);
	expect(root).toMatchObject({ traceId, parentSpanId: "00f067aa0ba902b7" });
	expect(wake).toMatchObject({ traceId, parentSpanId: root?.spanId });
	expect(relay).toMatchObject({ traceId, parentSpanId: root?.spanId });
	const seconds = (span: OtlpSpan | undefined) =>
		(Number(span?.endTimeUnixNano) - Number(span?.startTimeUnixNano)) / 1e9;
	expect([root, wake, relay].map(seconds).map(Math.round)).toEqual([65, 60, 5]);
	expect(Number(root?.startTimeUnixNano) / 1e6).toBeCloseTo(clock.wallTime() - 65_000, 0);
	expect(requests[0]).toMatchObject({ method: "POST", url: "/v1/traces" });
	const exported = () => proxy.metric("buildkit_proxy_trace_spans_total", { outcome: "exported" });
	await expect.poll(exported).toBe(3);
});

test("buildctl is part of its own trace, without being asked to trace", async () => {
	const { port, moves, until } = await startTestProxy();
	const build = new CliProcess(findProgram("buildctl"), [
		"--addr",
		`tcp://127.0.0.1:${port}`,
		"debug",
		"workers",
	]);
	await until(() => moves.at(-1)?.state === "waiting");
	expect(moves.at(-1)?.build?.traceParent).toMatchObject({
		traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
	});
	build.child.kill("SIGKILL");
	await build.exited;
});

test("a client without a trace gets one of its own; one that is not sampled gets none", async () => {
	const { endpoint, spans, received } = await startCollector();
	const { port, clock, moves, until } = await startTestProxy({
		maxWaitMs: 1_000,
		traces: (clock, registry) => new Traces({ ...soon, endpoint }, clock, registry),
	});
	const unsampled = await RawClient.connect(port);
	const traceParent = `00-${"a".repeat(32)}-${"b".repeat(16)}-00`;
	unsampled.send(Buffer.concat([clientOpening, settingsAck, traced(traceParent)]));
	await until(() => moves.at(-1)?.state === "waiting");
	await RawClient.opened(port);
	await until(() => moves.filter((m) => m.state === "waiting").length === 2);
	clock.advance(1_000);
	await received(2);
	expect(spans.map(({ name }) => name).toSorted()).toEqual(["build", "wake"]);
	const root = spans.find(({ name }) => name === "build");
	expect(root?.traceId).not.toBe("a".repeat(32));
	expect(root?.status).toMatchObject({ code: 2, message: expect.stringContaining("no daemon had room") });
});

test("a collector that hangs costs 2,048 spans and a counter, and does not hold up the stop", async () => {
	const { endpoint, asked } = await startSilence();
	const { registry, clock, metric } = await startTestProxy();
	const traces = new Traces({ ...soon, endpoint }, clock, registry);
	for (let i = 0; i < 3_000; i++) traces.moved(connectionMove(abandoned), { namespace: "n", pool: "p" });
	await asked;
	const spans = "buildkit_proxy_trace_spans_total";
	expect(await metric(spans, { outcome: "dropped" })).toBe(3_000 - 2_048);
	expect(await metric(spans, { outcome: "exported" })).toBe(0);
	const closed = traces.close();
	clock.advance(2_000);
	await closed;
});

test("what a collector does not take is counted and forgotten", async () => {
	const { endpoint } = await startCollector(400);
	const { registry, clock, metric } = await startTestProxy();
	const traces = new Traces({ ...soon, endpoint }, clock, registry);
	for (let i = 0; i < 10; i++) traces.moved(connectionMove(abandoned), { namespace: "n", pool: "p" });
	await expect.poll(() => metric("buildkit_proxy_trace_spans_total", { outcome: "failed" })).toBe(10);
	await traces.close();
});

test("traces are off unless somebody switches them on", async () => {
	const { registry, clock } = await startTestProxy();
	const open = (env: Record<string, string>, endpoint?: string) =>
		openTraces({ endpoint, instance: "p" }, env, clock, registry);
	expect(await open({})).toBeUndefined();
	expect(await open({ OTEL_EXPORTER_OTLP_ENDPOINT: "" })).toBeUndefined();
	expect(await open({ OTEL_SDK_DISABLED: "true" }, "http://127.0.0.1:1")).toBeUndefined();
	const traces = await open({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" });
	expect(traces).toBeInstanceOf(Traces);
});
