import { ScalerError } from "../../common/error.ts";
import { isConflict } from "../../kubernetes/api-error.ts";
import type { ReadScaledObject, ScaledObjectName } from "../../kubernetes/scaled-object.ts";
import type { ScaleApi } from "../../kubernetes/workload.ts";

/** What became of an attempt to have more replicas. */
export type Raised =
	| { readonly t: "raised"; readonly from: number; readonly to: number; readonly max: number }
	/** There are as many, or as many as there may be: `max`. */
	| { readonly t: "enough"; readonly max: number }
	/** KEDA is paused, or scales something else. */
	| { readonly t: "untouchable"; readonly why: string };

/** Pods that come and go change the version as well as other scalers do. */
const maxConflicts = 5;

/**
 * Sets at least `wanted` replicas, never fewer than there are and never more than KEDA would. What was read must still be
 * there when it is written, so any number of scalers may do this at once: what they leave is the largest number that one
 * of them wanted. Rejects with KUBERNETES_… errors, and ends with the signal.
 */
export async function raiseTo(
	wanted: number,
	name: ScaledObjectName,
	{ scales, readScaledObject }: { readonly scales: ScaleApi; readonly readScaledObject: ReadScaledObject },
	signal: AbortSignal,
): Promise<Raised> {
	const target = await readScaledObject(name, signal);
	if (target.t === "untouchable") return target;
	const { workload, maxReplicas: max } = target;
	const to = Math.min(wanted, max);
	for (let conflicts = 0; ; conflicts++) {
		const scale = await scales.read(workload, signal);
		if (scale.replicas >= to) return { t: "enough", max };
		try {
			await scales.patch(workload, to, scale, signal);
			return { t: "raised", from: scale.replicas, to, max };
		} catch (thrown) {
			if (!isConflict(ScalerError.from(thrown)) || conflicts === maxConflicts) throw thrown;
		}
	}
}
