import { type Context, ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import {
	defaultResource,
	detectResources,
	envDetector,
	resourceFromAttributes,
} from "@opentelemetry/resources";
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";
import { Counter, type Registry } from "prom-client";
import type { Clock } from "../../common/clock.ts";
import type { ConnectionMove } from "../connection/move.ts";
import type { TraceParent } from "../hold/trace-parent.ts";
import { type BuildSpan, type BuildTrace, buildTrace } from "./build-spans.ts";

export interface TracesOptions {
	/** Of the collector, as in OTEL_EXPORTER_OTLP_ENDPOINT; without it, what the OTEL_ environment says. */
	readonly endpoint?: string;
	/** This proxy's id. */
	readonly instance: string;
	/** How long spans are gathered before they are sent; default 5 s. */
	readonly delayMs?: number;
}

/** Spans that wait for the collector. What is more is dropped: an exporter that is down must not cost memory. */
const maxPendingSpans = 2_048;
/** A collector that does not answer must not hold up our own stop. */
const closeMs = 2_000;

type Outcome = "exported" | "failed" | "dropped";

/**
 * Sends one trace for each build to an OpenTelemetry collector (OTLP/HTTP, JSON), when the build is over. This file is
 * loaded only when traces are on.
 */
export class Traces {
	readonly #clock: Clock;
	readonly #provider: TracerProvider;
	readonly #spans: Counter<"outcome">;
	#pending = 0;

	constructor({ endpoint, instance, delayMs }: TracesOptions, clock: Clock, registry: Registry) {
		this.#clock = clock;
		this.#spans = new Counter({
			name: "buildkit_proxy_trace_spans_total",
			help: "Spans, by what became of them: exported, failed (the collector), dropped (too many wait for it)",
			labelNames: ["outcome"],
			registers: [registry],
		});
		const url = endpoint === undefined ? {} : { url: `${endpoint.replace(/\/+$/, "")}/v1/traces` };
		const exporter = this.#counted(new OTLPTraceExporter(url));
		const ours = { "service.name": "buildkit-scaler-proxy", "service.instance.id": instance };
		const environment = detectResources({ detectors: [envDetector] });
		this.#provider = new TracerProvider({
			resource: defaultResource().merge(resourceFromAttributes(ours)).merge(environment),
			spanProcessors: [
				new BatchSpanProcessor({
					exporter,
					maxQueueSize: maxPendingSpans,
					...(delayMs === undefined ? {} : { scheduledDelayMillis: delayMs }),
				}),
			],
		});
	}

	/** Told of every move of a pool's connections. */
	moved(move: ConnectionMove, pool: { readonly namespace: string; readonly pool: string }): void {
		const built = buildTrace(move);
		if (built !== undefined) this.#send(built, pool, this.#clock.wallTime() - this.#clock.now());
	}

	/** Sends what is left, if the collector takes it soon. */
	async close(): Promise<void> {
		await new Promise<void>((resolve) => {
			const timer = this.#clock.after(closeMs, resolve);
			const done = () => {
				timer.cancel();
				resolve();
			};
			this.#provider.shutdown().then(done, done);
		});
	}

	#send(built: BuildTrace, { namespace, pool }: { namespace: string; pool: string }, epochMs: number): void {
		const count = 1 + built.phases.length;
		if (this.#pending + count > maxPendingSpans) return this.#count("dropped", count);
		const tracer = this.#provider.getTracer("buildkit-scaler");
		const parent = built.parent === undefined ? ROOT_CONTEXT : remote(built.parent);
		const root = tracer.startSpan(
			built.root.name,
			{
				kind: SpanKind.SERVER,
				startTime: hrTime(built.root.startAt + epochMs),
				attributes: {
					...built.attributes,
					"buildkit_scaler.namespace": namespace,
					"buildkit_scaler.pool": pool,
				},
			},
			parent,
		);
		// The client decided that its trace is not to be recorded.
		if (!root.isRecording()) return;
		this.#pending += count;
		const inRoot = trace.setSpan(parent, root);
		const phase = ({ name, startAt, endAt }: BuildSpan) =>
			tracer.startSpan(name, { startTime: hrTime(startAt + epochMs) }, inRoot).end(hrTime(endAt + epochMs));
		built.phases.forEach(phase);
		if (built.failure !== undefined) root.setStatus({ code: SpanStatusCode.ERROR, message: built.failure });
		root.end(hrTime(built.root.endAt + epochMs));
	}

	#counted(exporter: OTLPTraceExporter): SpanExporter {
		return {
			export: (spans, done) =>
				exporter.export(spans, (result) => {
					this.#pending -= spans.length;
					this.#count(result.error === undefined && result.code === 0 ? "exported" : "failed", spans.length);
					done(result);
				}),
			shutdown: () => exporter.shutdown(),
		};
	}

	#count(outcome: Outcome, spans: number): void {
		this.#spans.inc({ outcome }, spans);
	}
}

function remote({ traceId, spanId, sampled }: TraceParent): Context {
	const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
	return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

/** Seconds and nanoseconds since 1970: a plain number would be guessed at. */
function hrTime(epochMs: number): [number, number] {
	const seconds = Math.floor(epochMs / 1_000);
	return [seconds, Math.floor((epochMs - seconds * 1_000) * 1e6)];
}
