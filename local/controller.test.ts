import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import type { IsActiveResponse } from "../protos/external-scaler.ts";
import { ManualClock } from "../test/helpers/manual-clock.ts";
import { Controller, type ScalerClient } from "./controller.ts";
import type { ControllerObservation } from "./observation.ts";
import type { ActivityStream } from "./push-stream.ts";

const ref = { name: "default", namespace: "default", scalerMetadata: { pool: "default" } };
const options = {
	ref,
	maxReplicas: 4,
	pollMs: 5_000,
	cooldownMs: 30_000,
	hpaSyncMs: 1_000,
	scaleDownWindowMs: 30_000,
};

class FakeStream implements ActivityStream {
	// biome-ignore lint/complexity/noBannedTypes: it stores listeners of every shape, as an emitter does
	readonly #listeners = new Map<string, Function>();
	cancelled = false;

	on(event: string, listener: (argument: never) => void): void {
		this.#listeners.set(event, listener);
	}

	push(message: IsActiveResponse): void {
		this.#listeners.get("data")?.(message);
	}

	end(code: number, details = ""): void {
		if (code !== status.OK) this.#listeners.get("error")?.(new Error(details));
		this.#listeners.get("status")?.({ code, details });
	}

	cancel(): void {
		this.cancelled = true;
	}
}

/** A scaler whose answers the test sets, and the pool it scales. */
class World {
	readonly clock = new ManualClock();
	readonly streams: FakeStream[] = [];
	readonly calls: string[] = [];
	readonly observed: ControllerObservation[] = [];
	readonly scales: number[] = [];
	demand: number | "error" | "hangs" = 0;
	readonly controller: Controller;

	constructor(replicas = 0) {
		const answer = <T>(rpc: string, make: (demand: number) => T): Promise<T> => {
			this.calls.push(rpc);
			if (this.demand === "error") return Promise.reject(new Error("14 UNAVAILABLE: demand is not known"));
			if (this.demand === "hangs") return new Promise(() => {});
			return Promise.resolve(make(this.demand));
		};
		const metric = { metricName: "builds" };
		const client: ScalerClient = {
			isActive: () => answer("IsActive", (demand) => ({ result: demand > 0 })),
			getMetricSpec: () =>
				answer("GetMetricSpec", () => ({ metricSpecs: [{ ...metric, targetSize: 2, targetSizeFloat: 2 }] })),
			getMetrics: () =>
				answer("GetMetrics", (demand) => ({
					metricValues: [{ ...metric, metricValue: demand, metricValueFloat: demand }],
				})),
			streamIsActive: () => {
				const stream = new FakeStream();
				this.streams.push(stream);
				return stream;
			},
		};
		const scales = this.scales;
		const target = {
			replicas,
			scale(to: number) {
				this.replicas = to;
				scales.push(to);
			},
		};
		this.controller = new Controller(options, { client, target, clock: this.clock });
		this.controller.onObservation((observation) => this.observed.push(observation));
	}

	/** Lets time pass in steps, and promises run after each. */
	async pass(ms: number, stepMs = 100): Promise<void> {
		for (let passed = 0; passed < ms; passed += stepMs) {
			this.clock.advance(stepMs);
			await new Promise(setImmediate);
		}
	}

	async start(): Promise<void> {
		this.controller.start();
		await new Promise(setImmediate);
	}
}

describe("wake", () => {
	test("a pushed true scales 0 -> 1, and the HPA follows at once to what the metric asks for", async () => {
		const world = new World();
		await world.start();
		world.demand = 5;
		world.streams[0]?.push({ result: true });
		await new Promise(setImmediate);
		expect(world.scales).toEqual([1, 3]);
		expect(world.observed).toEqual([
			{ t: "pushed", at: 0 },
			{ t: "scaled", at: 0, from: 0, to: 1, reason: "demand" },
			{ t: "scaled", at: 0, from: 1, to: 3, reason: "metric" },
		]);
	});

	test("a pushed false does nothing", async () => {
		const world = new World();
		await world.start();
		world.streams[0]?.push({ result: false });
		await new Promise(setImmediate);
		expect(world.scales).toEqual([]);
	});

	test("without a push the next poll wakes the pool", async () => {
		const world = new World();
		await world.start();
		world.demand = 1;
		await world.pass(4_900);
		expect(world.scales).toEqual([]);
		await world.pass(100);
		expect(world.scales).toEqual([1]);
	});

	test("the maximum holds", async () => {
		const world = new World();
		await world.start();
		world.demand = 100;
		world.streams[0]?.push({ result: true });
		await new Promise(setImmediate);
		expect(world.scales).toEqual([1, 4]);
	});
});

test("a poll asks for spec, metrics and activity in KEDA's order; at zero the HPA asks nothing", async () => {
	const world = new World();
	await world.start();
	await world.pass(10_000);
	expect(world.calls).toEqual([1, 2, 3].flatMap(() => ["GetMetricSpec", "GetMetrics", "IsActive"]));
});

describe("sleep", () => {
	test("goes to zero at the first poll after the cooldown, straight from N", async () => {
		const world = new World();
		world.demand = 5;
		await world.start();
		expect(world.scales).toEqual([1, 3]);
		world.demand = 0;
		// Last seen active at 0 s; polls at 5, 10, … s. The HPA's window is as long as the cooldown.
		await world.pass(29_900);
		expect(world.scales).toEqual([1, 3]);
		await world.pass(100);
		expect(world.scales).toEqual([1, 3, 1]);
		await world.pass(5_000);
		expect(world.scales).toEqual([1, 3, 1, 0]);
		expect(world.observed.at(-1)).toMatchObject({ from: 1, to: 0, reason: "cooldown" });
	});

	test("a pool scaled up by somebody else is zeroed at the first look", async () => {
		const world = new World(3);
		await world.start();
		expect(world.scales).toEqual([0]);
	});
});

describe("unknown is not zero", () => {
	test.each(["error", "hangs"] as const)("a scaler that %s changes nothing, for ever", async (fault) => {
		const world = new World();
		world.demand = 5;
		await world.start();
		world.demand = fault;
		await world.pass(600_000, 500);
		expect(world.scales).toEqual([1, 3]);
		const messages = new Set(world.observed.flatMap((o) => (o.t === "checkFailed" ? [o.message] : [])));
		expect([...messages]).toEqual([
			fault === "error" ? "14 UNAVAILABLE: demand is not known" : "GetMetricSpec: no answer within 2 s",
		]);
	});

	test("a failed call is tried once more, as KEDA does, before it counts as an error", async () => {
		const world = new World();
		world.demand = "error";
		await world.start();
		expect(world.calls).toEqual(["GetMetricSpec", "GetMetricSpec"]);
	});
});

describe("stream", () => {
	test("abnormal ends: again after 2, 4, 8, 16, 32, 60, 60 s, however healthy it was between", async () => {
		const world = new World();
		await world.start();
		for (const seconds of [2, 4, 8, 16, 32, 60, 60]) {
			const opened = world.streams.length;
			world.streams.at(-1)?.push({ result: false });
			world.streams.at(-1)?.end(status.UNAVAILABLE, "connection dropped");
			expect(world.observed.at(-1)).toMatchObject({ t: "streamEnded", retryMs: seconds * 1_000 });
			await world.pass(seconds * 1_000 - 100);
			expect(world.streams).toHaveLength(opened);
			await world.pass(100);
			expect(world.streams).toHaveLength(opened + 1);
		}
	});

	test("an end with status OK resets that", async () => {
		const world = new World();
		await world.start();
		const retries = [status.UNAVAILABLE, status.UNAVAILABLE, status.OK, status.UNAVAILABLE].map((code) => {
			world.streams.at(-1)?.end(code);
			const last = world.observed.at(-1);
			world.clock.advance(60_000);
			return last?.t === "streamEnded" ? last.retryMs : undefined;
		});
		expect(retries).toEqual([2_000, 4_000, 2_000, 4_000]);
	});
});

test("stop: no timer and no stream is left, and an answer under way is ignored", async () => {
	const world = new World();
	world.demand = 5;
	world.controller.start();
	world.controller.stop();
	await new Promise(setImmediate);
	expect(world.scales).toEqual([]);
	expect(world.streams.map(({ cancelled }) => cancelled)).toEqual([true]);
	expect(world.clock.pending).toBe(0);
});
