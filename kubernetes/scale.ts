// Loads @kubernetes/client-node (common/kube-client.ts), so import it only where there is a cluster.
import {
	AppsV1Api,
	type KubeConfig,
	PatchStrategy,
	setHeaderOptions,
	type V1Scale,
} from "@kubernetes/client-node";
import { ScalerError } from "../common/error.ts";
import { clientConfiguration } from "../common/kube-client.ts";
import { apiError } from "./api-error.ts";
import { resourceOf, type Scale, type ScaleApi, type Workload, workloadName } from "./workload.ts";

/**
 * The scale subresource of workloads. The Role: `get` and `patch` on statefulsets/scale or deployments/scale (apps),
 * which touches nothing of a workload but its replicas.
 */
export class KubernetesScaleApi implements ScaleApi {
	readonly #config: KubeConfig;

	constructor(config: KubeConfig) {
		this.#config = config;
	}

	read(workload: Workload, signal: AbortSignal): Promise<Scale> {
		const { kind, namespace, name } = workload;
		const client = this.#client(signal);
		return answerOf(workload, "get", () => {
			switch (kind) {
				case "StatefulSet":
					return client.readNamespacedStatefulSetScale({ namespace, name });
				case "Deployment":
					return client.readNamespacedDeploymentScale({ namespace, name });
			}
		});
	}

	/**
	 * A merge patch with the resourceVersion in it: the API server refuses it with 409 if that is no longer the
	 * workload's (registry/apps/*\/storage: scaleUpdatedObjectInfo). The version changes with the status too, so a
	 * conflict while pods come and go is ordinary.
	 */
	patch(workload: Workload, replicas: number, { version }: Scale, signal: AbortSignal): Promise<Scale> {
		const { kind, namespace, name } = workload;
		const client = this.#client(signal);
		const body = { metadata: { resourceVersion: version }, spec: { replicas } };
		const asMergePatch = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);
		return answerOf(workload, "patch", () => {
			switch (kind) {
				case "StatefulSet":
					return client.patchNamespacedStatefulSetScale({ namespace, name, body }, asMergePatch);
				case "Deployment":
					return client.patchNamespacedDeploymentScale({ namespace, name, body }, asMergePatch);
			}
		});
	}

	#client(signal: AbortSignal): AppsV1Api {
		return new AppsV1Api(clientConfiguration(this.#config, signal));
	}
}

async function answerOf(workload: Workload, verb: string, call: () => Promise<V1Scale>): Promise<Scale> {
	const what = `the scale of ${workloadName(workload)}`;
	let answer: V1Scale;
	try {
		answer = await call();
	} catch (cause) {
		const needs = `${verb} on ${resourceOf(workload)}/scale (apps) in namespace ${workload.namespace}`;
		throw apiError(cause, what, needs);
	}
	const version = answer.metadata?.resourceVersion;
	// An absent number is a zero that was left out; without a version nothing could be written safely.
	if (version === undefined) throw new ScalerError("KUBERNETES_FAILED", `${what}: it has no resourceVersion`);
	return { replicas: answer.spec?.replicas ?? 0, existing: answer.status?.replicas ?? 0, version };
}
