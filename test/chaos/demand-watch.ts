import { connectExternalScaler, type ScaledObjectRef } from "../../protos/external-scaler.ts";
import type { ScalerState } from "../../scaler/state.ts";
import type { Instance } from "./instance.ts";

const everyMs = 300;
const deadlineMs = 2_000;

/** A scaler said that nobody builds. Times are `performance.now`. */
export interface ZeroAnswer {
	readonly scaler: string;
	readonly askedAt: number;
	readonly answeredAt: number;
	/** When it had heard each proxy last, by id; none if it does not tell. */
	readonly heardAt: ReadonlyMap<string, number>;
}

export interface Answers {
	known: number;
	zero: number;
	/** Errors: KEDA then keeps the replicas. */
	unknown: number;
}

/** Asks one scaler again and again for the demand, as KEDA does, until it ends. */
export async function watchDemand(
	scaler: Instance,
	ref: ScaledObjectRef,
	answers: Answers,
	onZero: (answer: ZeroAnswer) => void,
): Promise<void> {
	const client = connectExternalScaler(`${scaler.host}:6000`);
	try {
		while (scaler.isAlive) {
			const askedAt = performance.now();
			const value = await Promise.race([read(() => client.getMetrics(ref, "builds")), late()]);
			if (value === undefined) answers.unknown++;
			else answers.known++;
			if (value === 0) {
				answers.zero++;
				const answeredAt = performance.now();
				onZero({ scaler: scaler.id, askedAt, answeredAt, heardAt: await heardBy(scaler) });
			}
			await new Promise((resolve) => setTimeout(resolve, everyMs));
		}
	} finally {
		client.close();
	}
}

async function heardBy({ host }: Instance): Promise<ReadonlyMap<string, number>> {
	try {
		const response = await fetch(`http://${host}:8081/state`, { signal: AbortSignal.timeout(deadlineMs) });
		const { pools } = (await response.json()) as ScalerState;
		const now = performance.now();
		const proxies = pools.flatMap((pool) => pool.proxies);
		return new Map(proxies.map(({ proxy, ageMs }) => [proxy, now - ageMs]));
	} catch {
		// It has just been killed or frozen.
		return new Map();
	}
}

async function read(
	ask: () => Promise<{ readonly metricValues: readonly { readonly metricValueFloat: number }[] }>,
): Promise<number | undefined> {
	try {
		const { metricValues } = await ask();
		return metricValues.reduce((sum, { metricValueFloat }) => sum + metricValueFloat, 0);
	} catch {
		return undefined;
	}
}

function late(): Promise<undefined> {
	return new Promise((resolve) => setTimeout(() => resolve(undefined), deadlineMs).unref());
}
