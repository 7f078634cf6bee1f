import { Server, ServerCredentials, type ServerWritableStream } from "@grpc/grpc-js";
import {
	externalScalerService,
	type IsActiveResponse,
	type ScaledObjectRef,
} from "../../../protos/external-scaler.ts";

/** An external scaler of a few lines: it pushes and reports the demand it is told. */
export interface PushingScaler {
	readonly port: number;
	/** Replicas wanted; above 0 is active. */
	demand(value: number): void;
	close(): void;
}

export async function startPushingScaler(host: string): Promise<PushingScaler> {
	const streams = new Set<ServerWritableStream<ScaledObjectRef, IsActiveResponse>>();
	let current = 0;
	const server = new Server();
	const metricName = "demand";
	server.addService(externalScalerService, {
		IsActive: (_call: unknown, answer: (error: null, value: object) => void) =>
			answer(null, { result: current > 0 }),
		GetMetricSpec: (_call: unknown, answer: (error: null, value: object) => void) =>
			answer(null, { metricSpecs: [{ metricName, targetSizeFloat: 1 }] }),
		GetMetrics: (_call: unknown, answer: (error: null, value: object) => void) =>
			answer(null, { metricValues: [{ metricName, metricValueFloat: current }] }),
		StreamIsActive: (stream: ServerWritableStream<ScaledObjectRef, IsActiveResponse>) => {
			streams.add(stream);
			stream.on("cancelled", () => streams.delete(stream));
			stream.write({ result: current > 0 });
		},
	});
	const port = await new Promise<number>((resolve, reject) => {
		server.bindAsync(`${host}:0`, ServerCredentials.createInsecure(), (error, bound) => {
			if (error === null) resolve(bound);
			else reject(error);
		});
	});
	return {
		port,
		demand: (value) => {
			current = value;
			for (const stream of streams) stream.write({ result: value > 0 });
		},
		close: () => server.forceShutdown(),
	};
}
