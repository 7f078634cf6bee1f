export const workloadKinds = ["StatefulSet", "Deployment"] as const;
export type WorkloadKind = (typeof workloadKinds)[number];

/** What is scaled. */
export interface Workload {
	readonly kind: WorkloadKind;
	readonly namespace: string;
	readonly name: string;
}

/** A workload's scale subresource, as it was at one moment. */
export interface Scale {
	/** Wanted pods (spec.replicas). */
	readonly replicas: number;
	/** Pods there are (status.replicas). */
	readonly existing: number;
	/** The workload's resourceVersion: a patch is refused once it is another one. */
	readonly version: string;
}

/**
 * Both reject with KUBERNETES_FORBIDDEN (the line names the permission), KUBERNETES_NOT_FOUND or KUBERNETES_FAILED, and
 * end with the signal, for nothing else limits their time.
 */
export interface ScaleApi {
	read(workload: Workload, signal: AbortSignal): Promise<Scale>;
	/**
	 * Sets the replicas of what is still as `seen`, and answers how it is then. Rejects also with KUBERNETES_CONFLICT if
	 * anybody changed it since: then nothing was written.
	 */
	patch(workload: Workload, replicas: number, seen: Scale, signal: AbortSignal): Promise<Scale>;
}

/** For people: "StatefulSet builds/buildkitd". */
export function workloadName({ kind, namespace, name }: Workload): string {
	return `${kind} ${namespace}/${name}`;
}

/** The plural of its kind, as Roles have it. */
export function resourceOf({ kind }: Workload): string {
	return `${kind.toLowerCase()}s`;
}
