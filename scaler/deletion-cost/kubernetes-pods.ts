// Loads @kubernetes/client-node, so import it only where costs are written.
import {
	ApiException,
	CoreV1Api,
	type KubeConfig,
	PatchStrategy,
	setHeaderOptions,
} from "@kubernetes/client-node";
import { clientConfiguration } from "../../common/kube-client.ts";
import type { WriteCost } from "./deletion-costs.ts";

/** Lower goes first (Kubernetes: ReplicaSet, "Pod deletion cost"). Needs the permission to patch pods. */
const annotation = "controller.kubernetes.io/pod-deletion-cost";

export function writeCostTo(config: KubeConfig): WriteCost {
	return async ({ namespace, name }, cost, signal) => {
		const client = new CoreV1Api(clientConfiguration(config, signal));
		const body = { metadata: { annotations: { [annotation]: `${cost}` } } };
		try {
			await client.patchNamespacedPod(
				{ namespace, name, body },
				setHeaderOptions("Content-Type", PatchStrategy.MergePatch),
			);
		} catch (error) {
			if (error instanceof ApiException && error.code === 404) return;
			if (error instanceof ApiException) throw new Error(`the API server answered ${error.code}`);
			throw error;
		}
	};
}
