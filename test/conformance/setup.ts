import { setImmediate as turn } from "node:timers/promises";
import { afterAll, onTestFinished, type TestOptions, test } from "vitest";
import { syncMs } from "../../scaler/demand.ts";
import type { ScalerOptions } from "../../scaler/scaler.ts";
import { ManualBus } from "../helpers/manual-bus.ts";
import { ManualClock } from "../helpers/manual-clock.ts";
import { type EventParts, poolEvent } from "../helpers/pool-event.ts";
import { startTestScaler } from "../helpers/scaler.ts";
import type { ClientKind, Connection, ConnectOptions } from "./client.ts";
import { endGoClients, grpcGo } from "./go-client.ts";
import { grpcJs } from "./js-client.ts";

export const clientKinds: readonly ClientKind[] = [grpcJs, grpcGo];

/** A point of the list that is about the wire: with both clients. */
export function withBothClients(
	point: string,
	body: (kind: ClientKind) => Promise<void>,
	options: TestOptions = {},
): void {
	for (const kind of clientKinds) test(`${point} [${kind.name}]`, options, () => body(kind));
}

/** To be called once in each file that uses the clients. */
export function endClientsAfterAll(): void {
	afterAll(endGoClients);
}

/** Connects for the rest of the test. */
export function connect(
	kind: ClientKind,
	address: string,
	options?: ConnectOptions,
	proto?: string,
): Connection {
	const connection = kind.connect(address, options, proto);
	onTestFinished(() => connection.close());
	return connection;
}

/** A scaler in this process that stands on a bus and a clock moved by hand, synced, and a connection to it. */
export async function scalerFor(kind: ClientKind, options: Partial<ScalerOptions> = {}) {
	const started = await syncedScaler(options);
	const keda = connect(kind, started.address);
	return { ...started, keda, opened: (count: number) => opened(started.openStreams, count) };
}

export async function syncedScaler(options: Partial<ScalerOptions> = {}) {
	const started = await startingScaler(options);
	const { bus, clock, scaler } = started;
	clock.advance(syncMs);
	let sequence = 0;
	/** A proxy says what its pool has to do. */
	const say = (parts: EventParts = {}) => bus.publish(poolEvent({ sequence: sequence++, ...parts }));
	const openStreams = () => scaler.state().pools.reduce((sum, { streams }) => sum + streams, 0);
	return { ...started, say, openStreams };
}

/** It has heard no proxy, and does not know yet that there is none. */
export async function startingScaler(options: Partial<ScalerOptions> = {}) {
	const clock = new ManualClock();
	const bus = new ManualBus();
	const started = await startTestScaler({ bus, clock }, options);
	onTestFinished(async () => {
		const stopped = started.stop();
		// grpc-js waits for ever for a connection that is being closed by its client at this moment.
		clock.advance(60_000);
		await stopped;
	});
	return { ...started, clock, bus };
}

/** Waits until the scaler has `count` StreamIsActive calls. The test's own time limit is the limit. */
async function opened(openStreams: () => number, count: number): Promise<void> {
	while (openStreams() !== count) await turn();
}

/** The value in the middle: a busy machine spoils single ones. */
export function median(values: readonly number[]): number {
	return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

export function percentile(values: readonly number[], share: number): number {
	return values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN;
}
