import { z } from "zod";

/** What is read of pods and events (core/v1). The client gives times as Date, JSON has texts. */
const time = z
	.union([z.date(), z.string()])
	.transform((value) => new Date(value).getTime())
	.nullish();

const terminatedSchema = z.object({
	exitCode: z.int(),
	reason: z.string().nullish(),
	message: z.string().nullish(),
});

const stateSchema = z.object({
	waiting: z.object({ reason: z.string().nullish(), message: z.string().nullish() }).nullish(),
	running: z.object({}).nullish(),
	terminated: terminatedSchema.nullish(),
});

const containerStatusSchema = z.object({
	name: z.string(),
	ready: z.boolean().nullish(),
	restartCount: z.int().nullish(),
	state: stateSchema.nullish(),
	lastState: stateSchema.nullish(),
});

const podSchema = z.object({
	metadata: z.object({
		name: z.string(),
		uid: z.string(),
		creationTimestamp: time,
		deletionTimestamp: time,
		ownerReferences: z.array(z.object({ kind: z.string(), name: z.string() })).nullish(),
	}),
	spec: z.object({
		initContainers: z.array(z.object({ name: z.string(), restartPolicy: z.string().nullish() })).nullish(),
		volumes: z
			.array(z.object({ persistentVolumeClaim: z.object({ claimName: z.string() }).nullish() }))
			.nullish(),
	}),
	status: z
		.object({
			phase: z.string().nullish(),
			reason: z.string().nullish(),
			message: z.string().nullish(),
			conditions: z
				.array(
					z.object({
						type: z.string(),
						status: z.string(),
						reason: z.string().nullish(),
						message: z.string().nullish(),
					}),
				)
				.nullish(),
			initContainerStatuses: z.array(containerStatusSchema).nullish(),
			containerStatuses: z.array(containerStatusSchema).nullish(),
		})
		.nullish(),
});

const eventSchema = z.object({
	involvedObject: z.object({
		kind: z.string().nullish(),
		name: z.string().nullish(),
		uid: z.string().nullish(),
	}),
	type: z.string().nullish(),
	reason: z.string().nullish(),
	message: z.string().nullish(),
	metadata: z.object({ creationTimestamp: time }),
	eventTime: time,
	lastTimestamp: time,
	series: z.object({ lastObservedTime: time }).nullish(),
});

export type Pod = z.infer<typeof podSchema>;
export type ContainerStatus = z.infer<typeof containerStatusSchema>;
export type Terminated = z.infer<typeof terminatedSchema>;

/** What Kubernetes says happened to an object. */
export interface KubeEvent {
	readonly kind: string;
	readonly name: string;
	readonly uid: string;
	readonly warning: boolean;
	readonly reason: string;
	readonly message: string;
	/** When it happened last, ms since 1970. */
	readonly at: number;
}

/** Throws for what is not a Pod. */
export function readPod(object: unknown): Pod {
	return podSchema.parse(object);
}

/** Throws for what is not an Event. */
export function readEvent(object: unknown): KubeEvent {
	const { involvedObject, type, reason, message, metadata, eventTime, lastTimestamp, series } =
		eventSchema.parse(object);
	return {
		kind: involvedObject.kind ?? "",
		name: involvedObject.name ?? "",
		uid: involvedObject.uid ?? "",
		warning: type === "Warning",
		reason: reason ?? "",
		message: message ?? "",
		// The scheduler's events have a series and eventTime, the controllers' lastTimestamp.
		at: series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? 0,
	};
}
