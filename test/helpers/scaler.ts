import { credentials, loadPackageDefinition, type ServiceError, status } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { protoPath } from "grpc-health-check";
import { Registry } from "prom-client";
import type { Clock } from "../../common/clock.ts";
import { createLogger } from "../../common/log.ts";
import type { Bus } from "../../events/bus.ts";
import {
	connectExternalScaler,
	type ExternalScalerClient,
	type ScaledObjectRef,
} from "../../protos/external-scaler.ts";
import { type Scaler, type ScalerOptions, startScaler } from "../../scaler/scaler.ts";

/** A scaler on a free port, and a client that calls it as KEDA does. */
export interface TestScaler {
	readonly scaler: Scaler;
	readonly address: string;
	readonly keda: ExternalScalerClient;
	readonly registry: Registry;
	stop(): Promise<void>;
}

export async function startTestScaler(
	deps: { bus: Bus; clock: Clock },
	options: Partial<ScalerOptions> = {},
): Promise<TestScaler> {
	const registry = new Registry();
	const scaler = await startScaler(
		{ listen: { host: "127.0.0.1", port: 0 }, ...options },
		{ ...deps, log: createLogger("silent"), registry },
	);
	const address = `127.0.0.1:${scaler.port}`;
	const keda = connectExternalScaler(address);
	return {
		scaler,
		address,
		keda,
		registry,
		async stop() {
			keda.close();
			await scaler.stop();
		},
	};
}

export function scaledObject(
	scalerMetadata: Record<string, string> = { pool: "default" },
	namespace = "default",
): ScaledObjectRef {
	return { name: "so", namespace, scalerMetadata: { scalerAddress: "scaler:6000", ...scalerMetadata } };
}

/** `OK`, or the name of the gRPC status and its details. */
export async function outcome(call: Promise<unknown>): Promise<string> {
	try {
		await call;
		return "OK";
	} catch (error) {
		const { code, details } = error as ServiceError;
		return `${status[code]}: ${details}`;
	}
}

/** A StreamIsActive call, with what it received so far and how it ended. */
export class WatchedStream {
	readonly results: boolean[] = [];
	/** `performance.now` of each result. */
	readonly times: number[] = [];
	readonly ended: Promise<string>;
	readonly cancel: () => void;
	#wake = () => {};

	constructor(keda: ExternalScalerClient, ref: ScaledObjectRef) {
		const call = keda.streamIsActive(ref);
		this.cancel = () => call.cancel();
		call.on("data", ({ result }) => {
			this.results.push(result);
			this.times.push(performance.now());
			this.#wake();
		});
		this.ended = outcome(
			new Promise<void>((resolve, reject) => {
				call.on("error", reject);
				call.on("end", resolve);
			}),
		);
	}

	async received(count: number): Promise<void> {
		while (this.results.length < count)
			await new Promise<void>((resolve) => {
				this.#wake = resolve;
			});
	}
}

interface HealthClient {
	check(
		request: { service: string },
		done: (error: ServiceError | null, answer: { status: string }) => void,
	): void;
	close(): void;
}

/** What grpc.health.v1 says of each name, as kubelet's probes ask it. */
export async function healthOf(address: string, ...services: readonly string[]): Promise<string[]> {
	const loaded = loadPackageDefinition(loadSync(protoPath, { enums: String })) as unknown as {
		grpc: { health: { v1: { Health: new (address: string, creds: object) => HealthClient } } };
	};
	const client = new loaded.grpc.health.v1.Health(address, credentials.createInsecure());
	const check = (service: string) =>
		new Promise<string>((resolve) => {
			client.check({ service }, (error, answer) =>
				resolve(error === null ? answer.status : (status[error.code] ?? "?")),
			);
		});
	const answers = await Promise.all(services.map(check));
	client.close();
	return answers;
}
