import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ScalerError } from "../../common/error.ts";
import type { ScaledTarget } from "../../kubernetes/scaled-object.ts";
import type { Scale, ScaleApi } from "../../kubernetes/workload.ts";
import { raiseTo } from "./raise.ts";

const name = { namespace: "ci", name: "daemons" };
const never = new AbortController().signal;

/** An API server's view of one workload: a write needs the version that is there. */
class TestScales implements ScaleApi {
	replicas: number;
	#version = 0;
	/** Each accepted patch. */
	readonly patches: { readonly from: number; readonly to: number }[] = [];

	constructor(replicas: number) {
		this.replicas = replicas;
	}

	/** Somebody else writes: KEDA, or a pod comes or goes. */
	touch(replicas = this.replicas): void {
		this.replicas = replicas;
		this.#version++;
	}

	async read(): Promise<Scale> {
		return { replicas: this.replicas, existing: 0, version: `${this.#version}` };
	}

	async patch(_workload: unknown, replicas: number, seen: Scale): Promise<Scale> {
		if (seen.version !== `${this.#version}`) throw new ScalerError("KUBERNETES_CONFLICT", "it was changed");
		this.patches.push({ from: this.replicas, to: replicas });
		this.touch(replicas);
		return this.read();
	}
}

const workload = { kind: "StatefulSet", ...name } as const;
const targetOf = (maxReplicas: number) => async (): Promise<ScaledTarget> => ({
	t: "scalable",
	workload,
	maxReplicas,
});

describe("raising", () => {
	test("goes to the number in one step, and to KEDA's limit at most", async () => {
		const scales = new TestScales(0);
		expect(await raiseTo(4, name, { scales, readScaledObject: targetOf(10) }, never)).toEqual({
			...{ t: "raised", from: 0, to: 4, max: 10 },
		});
		expect(await raiseTo(40, name, { scales, readScaledObject: targetOf(10) }, never)).toMatchObject({
			to: 10,
		});
		expect(scales.patches).toEqual([
			{ from: 0, to: 4 },
			{ from: 4, to: 10 },
		]);
	});

	test("writes nothing where there are enough, or KEDA is paused", async () => {
		const scales = new TestScales(4);
		expect(await raiseTo(4, name, { scales, readScaledObject: targetOf(10) }, never)).toMatchObject({
			t: "enough",
		});
		const paused = async (): Promise<ScaledTarget> => ({ t: "untouchable", why: "paused" });
		expect(await raiseTo(9, name, { scales, readScaledObject: paused }, never)).toMatchObject({
			t: "untouchable",
		});
		expect(scales.patches).toEqual([]);
	});

	test("gives up on a workload that changes all the time, with the conflict", async () => {
		const scales = new TestScales(0);
		const read = scales.read.bind(scales);
		let reads = 0;
		scales.read = async () => {
			const seen = await read();
			scales.touch();
			reads++;
			return seen;
		};
		const raised = raiseTo(4, name, { scales, readScaledObject: targetOf(10) }, never);
		await expect(raised).rejects.toMatchObject({ code: "KUBERNETES_CONFLICT" });
		expect(reads).toBe(6);
	});
});

test("scalers that raise at once, while KEDA writes its 1 and pods come and go: never down, and the largest wish is there", async () => {
	await fc.assert(
		fc.asyncProperty(
			fc.scheduler(),
			fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 2, maxLength: 4 }),
			fc.array(fc.constantFrom("keda", "pod"), { maxLength: 3 }),
			async (schedule, wishes, others) => {
				const scales = new TestScales(0);
				const late: ScaleApi = {
					read: () => schedule.schedule(Promise.resolve(), "read").then(() => scales.read()),
					patch: (_, to, seen) =>
						schedule.schedule(Promise.resolve(), "patch").then(() => scales.patch(workload, to, seen)),
				};
				const raises = wishes.map((wish) =>
					raiseTo(wish, name, { scales: late, readScaledObject: targetOf(20) }, never),
				);
				const writes = others.map((other) =>
					schedule.schedule(Promise.resolve(), other).then(() => {
						// KEDA writes where it reads zero.
						if (other === "pod" || scales.replicas === 0) scales.touch(other === "keda" ? 1 : undefined);
					}),
				);
				await schedule.waitFor(Promise.all([...raises, ...writes]));
				for (const { from, to } of scales.patches) expect(to).toBeGreaterThan(from);
				expect(scales.replicas).toBe(Math.min(Math.max(...wishes), 20));
			},
		),
	);
});
