import { systemClock } from "../../common/clock.ts";
import { Controller, type ScaleTarget } from "../../local/controller.ts";
import {
	connectExternalScaler,
	type ExternalScalerClient,
	type ScaledObjectRef,
} from "../../protos/external-scaler.ts";

/** Short, so that the pool sleeps and wakes often. */
export const cooldownMs = 3_000;
const pollMs = 2_000;
const hpaSyncMs = 1_000;

interface KedaOptions {
	readonly ref: ScaledObjectRef;
	/** HOST:PORT of the scalers' Service. */
	readonly address: string;
	readonly maxReplicas: number;
	readonly target: ScaleTarget;
	readonly told: (what: string) => void;
}

/** KEDA and the HPA of one pool, as `buildkit-scaler local` plays them; can crash. */
export class Keda {
	readonly #options: KedaOptions;
	#client: ExternalScalerClient;
	#controller: Controller;

	constructor(options: KedaOptions) {
		this.#options = options;
		this.#client = this.#connect();
		this.#controller = this.#start();
	}

	/** Another one takes over, which knows nothing of the past. */
	restart(): void {
		this.stop();
		this.#client = this.#connect();
		this.#controller = this.#start();
	}

	stop(): void {
		this.#controller.stop();
		this.#client.close();
	}

	#connect(): ExternalScalerClient {
		return connectExternalScaler(this.#options.address);
	}

	#start(): Controller {
		const { ref, maxReplicas, target, told } = this.#options;
		const controller = new Controller(
			{ ref, maxReplicas, pollMs, cooldownMs, hpaSyncMs, scaleDownWindowMs: cooldownMs },
			{ client: this.#client, target, clock: systemClock },
		);
		controller.onObservation((observation) => {
			switch (observation.t) {
				case "scaled":
					return told(`KEDA: ${observation.from} -> ${observation.to} (${observation.reason})`);
				case "streamEnded":
					return told(`KEDA: push stream ended (${observation.message}), next in ${observation.retryMs} ms`);
				case "checkFailed":
					return told(`KEDA: ${observation.message}`);
				case "pushed":
					return;
			}
		});
		controller.start();
		return controller;
	}
}
