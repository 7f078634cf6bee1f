import type { Registry } from "prom-client";
import type { Clock } from "../../common/clock.ts";
import type { Traces } from "./traces.ts";

/**
 * Traces, when they are switched on: by `endpoint`, or by the standard variables of OpenTelemetry. Only then is anything
 * of OpenTelemetry loaded.
 */
export async function openTraces(
	{ endpoint, instance }: { readonly endpoint: string | undefined; readonly instance: string },
	env: Readonly<Record<string, string | undefined>>,
	clock: Clock,
	registry: Registry,
): Promise<Traces | undefined> {
	const standard = env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] || env["OTEL_EXPORTER_OTLP_ENDPOINT"];
	if ((endpoint ?? standard ?? "") === "" || env["OTEL_SDK_DISABLED"] === "true") return undefined;
	const { Traces } = await import("./traces.ts");
	return new Traces({ instance, ...(endpoint === undefined ? {} : { endpoint }) }, clock, registry);
}
