/**
 * KEDA's external scaler contract (KEDA v2.21, pkg/scalers/externalscaler/externalscaler.proto, kept byte for byte in
 * externalscaler.proto) as TypeScript types, a service definition for the server, and a client that behaves as KEDA's.
 */
import { fileURLToPath } from "node:url";
import { Client, type ClientReadableStream, credentials, type MethodDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

/** Which ScaledObject asks; `scalerMetadata` is its trigger's metadata, whole (KEDA: external_scaler.go). */
export interface ScaledObjectRef {
	readonly name: string;
	readonly namespace: string;
	readonly scalerMetadata: Readonly<Record<string, string>>;
}

export interface IsActiveResponse {
	readonly result: boolean;
}

/** `targetSize` is what KEDA up to v2.16 reads; later ones prefer `targetSizeFloat` when it is above 0. */
interface MetricSpec {
	readonly metricName: string;
	readonly targetSize: number;
	readonly targetSizeFloat: number;
}

export interface GetMetricSpecResponse {
	readonly metricSpecs: readonly MetricSpec[];
}

export interface GetMetricsRequest {
	/** null when the client left it out (a proto3 message field has presence). */
	readonly scaledObjectRef: ScaledObjectRef | null;
	readonly metricName: string;
}

/** `metricValue` is what KEDA up to v2.16 reads; later ones prefer `metricValueFloat` when it is above 0. */
interface MetricValue {
	readonly metricName: string;
	readonly metricValue: number;
	readonly metricValueFloat: number;
}

export interface GetMetricsResponse {
	readonly metricValues: readonly MetricValue[];
}

/** A type, not an interface: grpc-js wants an index signature, which only types have implicitly. */
export type ExternalScalerService = {
	readonly IsActive: MethodDefinition<ScaledObjectRef, IsActiveResponse>;
	readonly StreamIsActive: MethodDefinition<ScaledObjectRef, IsActiveResponse>;
	readonly GetMetricSpec: MethodDefinition<ScaledObjectRef, GetMetricSpecResponse>;
	readonly GetMetrics: MethodDefinition<GetMetricsRequest, GetMetricsResponse>;
	/** KEDA calls it since v2.21. */
	readonly StreamMetricSpec: MethodDefinition<ScaledObjectRef, GetMetricSpecResponse>;
};

const protoPath = fileURLToPath(new URL("./externalscaler.proto", import.meta.url));

/**
 * proto-loader learns the message types at run time; this assertion is the only place that takes them on trust, and
 * the golden bytes of external-scaler.test.ts hold it to the truth. int64 becomes a number: ours stay below 2^53.
 */
export const externalScalerService = loadSync(protoPath, { longs: Number, defaults: true })[
	"externalscaler.ExternalScaler"
] as unknown as ExternalScalerService;

/** The calls KEDA makes. A failed call rejects with a grpc-js `ServiceError`. */
export interface ExternalScalerClient {
	isActive(ref: ScaledObjectRef): Promise<IsActiveResponse>;
	getMetricSpec(ref: ScaledObjectRef): Promise<GetMetricSpecResponse>;
	getMetrics(ref: ScaledObjectRef, metricName: string): Promise<GetMetricsResponse>;
	streamIsActive(ref: ScaledObjectRef): ClientReadableStream<IsActiveResponse>;
	/** Cancels what is under way. */
	close(): void;
}

/** Connects in plaintext to `host:port`, at the first call. No deadline, keepalive or retry, as KEDA has none. */
export function connectExternalScaler(address: string): ExternalScalerClient {
	const client = new Client(address, credentials.createInsecure());
	const call = <Request, Response>(method: MethodDefinition<Request, Response>, request: Request) =>
		new Promise<Response>((resolve, reject) => {
			const { path, requestSerialize, responseDeserialize } = method;
			client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) => {
				if (response === undefined) reject(error);
				else resolve(response);
			});
		});
	return {
		isActive: (ref) => call(externalScalerService.IsActive, ref),
		getMetricSpec: (ref) => call(externalScalerService.GetMetricSpec, ref),
		getMetrics: (scaledObjectRef, metricName) =>
			call(externalScalerService.GetMetrics, { scaledObjectRef, metricName }),
		streamIsActive(ref) {
			const { path, requestSerialize, responseDeserialize } = externalScalerService.StreamIsActive;
			return client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, ref);
		},
		close: () => client.close(),
	};
}
