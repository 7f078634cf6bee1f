// Loads @kubernetes/client-node (common/kube-client.ts), so import it only where there is a cluster.
import { CustomObjectsApi, type KubeConfig } from "@kubernetes/client-node";
import { z } from "zod";
import { clientConfiguration } from "../common/kube-client.ts";
import { apiError } from "./api-error.ts";
import { type Workload, type WorkloadKind, workloadKinds } from "./workload.ts";

/** What a ScaledObject of KEDA lets others do with what it scales. */
export type ScaledTarget =
	| { readonly t: "scalable"; readonly workload: Workload; readonly maxReplicas: number }
	/** Not now, or not at all. */
	| { readonly t: "untouchable"; readonly why: string };

export interface ScaledObjectName {
	readonly namespace: string;
	readonly name: string;
}

/** Rejects with KUBERNETES_FORBIDDEN, KUBERNETES_NOT_FOUND or KUBERNETES_FAILED; ends with the signal. */
export type ReadScaledObject = (name: ScaledObjectName, signal: AbortSignal) => Promise<ScaledTarget>;

const scaledObjectSchema = z.object({
	metadata: z.object({ annotations: z.record(z.string(), z.string()).nullish() }),
	spec: z.object({
		scaleTargetRef: z.object({
			apiVersion: z.string().nullish(),
			kind: z.string().nullish(),
			name: z.string(),
		}),
		maxReplicaCount: z.int().nullish(),
	}),
});

/** KEDA: scaledobject_types.go, defaultHPAMaxReplicas. */
const defaultMaxReplicas = 100;
/** Each of them forbids to add replicas; "false" is as good as none for all but the second, which has a number. */
const pauses = ["paused", "paused-replicas", "paused-scale-out"].map((name) => `autoscaling.keda.sh/${name}`);

/** Pure. Throws for what is not a ScaledObject. */
export function targetOf(object: unknown, namespace: string): ScaledTarget {
	const { metadata, spec } = scaledObjectSchema.parse(object);
	const { apiVersion, kind, name } = spec.scaleTargetRef;
	for (const pause of pauses) {
		const value = metadata.annotations?.[pause];
		if (value !== undefined && value !== "false") return { t: "untouchable", why: `it has ${pause}` };
	}
	const known: WorkloadKind | undefined = workloadKinds.find(
		(workloadKind) => workloadKind === (kind || "Deployment"),
	);
	if (known === undefined || (apiVersion || "apps/v1") !== "apps/v1")
		return { t: "untouchable", why: `it scales a ${kind} of ${apiVersion}` };
	const maxReplicas = spec.maxReplicaCount ?? defaultMaxReplicas;
	return { t: "scalable", workload: { kind: known, namespace, name }, maxReplicas };
}

/** The Role: `get` on scaledobjects (keda.sh). */
export function readScaledObjectFrom(config: KubeConfig): ReadScaledObject {
	return async ({ namespace, name }, signal) => {
		const client = new CustomObjectsApi(clientConfiguration(config, signal));
		const kind = { group: "keda.sh", version: "v1alpha1", plural: "scaledobjects" };
		try {
			return targetOf(await client.getNamespacedCustomObject({ ...kind, namespace, name }), namespace);
		} catch (cause) {
			const needs = `get on scaledobjects (keda.sh) in namespace ${namespace}`;
			throw apiError(cause, `ScaledObject ${namespace}/${name}`, needs);
		}
	};
}
