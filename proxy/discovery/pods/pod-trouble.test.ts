import { expect, test } from "vitest";
import { readPod } from "./pod.ts";
import { maxReasonLength, podTrouble } from "./pod-trouble.ts";

/** A StatefulSet's pod, as the API server gives it, as far as it matters. */
function pod(status: object, more: { metadata?: object; spec?: object } = {}) {
	return readPod({
		apiVersion: "v1",
		kind: "Pod",
		metadata: {
			name: "buildkitd-0",
			namespace: "builds",
			uid: "0b6e0f3c-6c2e-4c1b-9a57-2f6f2b1f3a10",
			creationTimestamp: "2026-01-01T00:00:00Z",
			ownerReferences: [{ apiVersion: "apps/v1", kind: "StatefulSet", name: "buildkitd", uid: "u" }],
			...more.metadata,
		},
		spec: {
			volumes: [
				{ name: "state", persistentVolumeClaim: { claimName: "state-buildkitd-0" } },
				{ name: "kube-api-access-x", projected: { sources: [] } },
			],
			containers: [{ name: "buildkitd", image: "moby/buildkit:v0.33.1" }],
			...more.spec,
		},
		status,
	});
}

const scheduled = { type: "PodScheduled", status: "True", lastProbeTime: null };
const container = (state: object, more: object = {}) => ({
	name: "buildkitd",
	image: "moby/buildkit:v0.33.1",
	imageID: "",
	ready: false,
	restartCount: 0,
	started: false,
	lastState: {},
	state,
	...more,
});
const pending = (...containerStatuses: object[]) => ({
	phase: "Pending",
	conditions: [scheduled],
	containerStatuses,
});
const waiting = (reason: string, message?: string) => ({ waiting: { reason, message } });
const ended = (exitCode: number, reason: string, message?: string) => ({
	terminated: { exitCode, reason, message, startedAt: "2026-01-01T00:00:00Z", containerID: "containerd://x" },
});
const text = (of: ReturnType<typeof pod>) => {
	const trouble = podTrouble(of);
	return trouble?.t === "told" ? trouble.text : trouble?.t;
};

test("a pod that cannot be scheduled", () => {
	const condition = {
		type: "PodScheduled",
		status: "False",
		reason: "Unschedulable",
		message:
			"0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 Insufficient cpu. " +
			"preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
	};
	expect(podTrouble(pod({ phase: "Pending", conditions: [condition] }))).toEqual({
		t: "told",
		text:
			"cannot be scheduled: 0/3 nodes are available: " +
			"1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 Insufficient cpu",
		claims: [],
	});
	// As Kubernetes 1.35 words it.
	const noNode = {
		...condition,
		message:
			"0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, " +
			"preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
	};
	expect(text(pod({ phase: "Pending", conditions: [noNode] }))).toBe(
		"cannot be scheduled: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector",
	);
	const unbound = {
		...condition,
		message: "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
	};
	expect(podTrouble(pod({ phase: "Pending", conditions: [unbound] }))).toMatchObject({
		claims: ["state-buildkitd-0"],
	});
	const gated = { type: "PodScheduled", status: "False", reason: "SchedulingGated" };
	expect(text(pod({ phase: "Pending", conditions: [gated] }))).toBe("is held back by a scheduling gate");
});

test.each([
	[
		waiting(
			"ImagePullBackOff",
			'Back-off pulling image "moby/buildkit:v0": ErrImagePull: moby/buildkit:v0: not found',
		),
		"cannot pull the image of its container buildkitd (ImagePullBackOff): " +
			'Back-off pulling image "moby/buildkit:v0": ErrImagePull: moby/buildkit:v0: not found',
	],
	[
		waiting("ErrImageNeverPull", 'Container image "x" is not present with pull policy of Never'),
		"cannot pull the image of its container buildkitd (ErrImageNeverPull): " +
			'Container image "x" is not present with pull policy of Never',
	],
	[
		waiting("CreateContainerConfigError", 'configmap "buildkitd" not found'),
		'cannot start its container buildkitd (CreateContainerConfigError): configmap "buildkitd" not found',
	],
	[
		ended(1, "Error", "buildkitd: listen tcp: bind: address in use\n"),
		"does not start: its container buildkitd ended with exit code 1: buildkitd: listen tcp: bind: address in use",
	],
	[waiting("ContainerCreating"), "untold"],
	[{ running: { startedAt: "2026-01-01T00:00:00Z" } }, undefined],
])("a container that is %j", (state, expected) => {
	expect(text(pod(pending(container(state))))).toBe(expected);
});

test("a container that crashes again and again says how, also while it runs for a moment", () => {
	const lastState = ended(137, "OOMKilled", "one\ntwo\n");
	const says = "does not start: its container buildkitd keeps ending with exit code 137 (OOMKilled): two";
	const backOff = waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container=buildkitd pod=...");
	for (const state of [backOff, { running: {} }]) {
		const status = { phase: "Running", conditions: [scheduled] };
		const crashed = container(state, { restartCount: 4, lastState });
		expect(text(pod({ ...status, containerStatuses: [crashed] }))).toBe(says);
	}
	const once = container({ running: {} }, { ready: true, restartCount: 1, lastState });
	expect(text(pod(pending(once)))).toBeUndefined();
	const cleanExit = container(backOff, { restartCount: 4, lastState: ended(0, "Completed") });
	expect(text(pod(pending(cleanExit)))).toContain("keeps ending with exit code 0");
});

test("init containers come first: those that run, fail or wait; a sidecar may run", () => {
	const init = (name: string, state: object) => container(state, { name });
	const status = (...initContainerStatuses: object[]) => ({
		...pending(container(waiting("PodInitializing"))),
		initContainerStatuses,
	});
	expect(text(pod(status(init("a", ended(0, "Completed")), init("b", { running: {} }))))).toBe(
		"waits: its init container b still runs",
	);
	expect(text(pod(status(init("a", ended(2, "Error")))))).toBe(
		"does not start: its init container a ended with exit code 2",
	);
	expect(text(pod(status(init("a", waiting("ErrImagePull", "no")))))).toBe(
		"cannot pull the image of its init container a (ErrImagePull): no",
	);
	expect(text(pod(status(init("a", waiting("PodInitializing")))))).toBe("untold");
	const sidecar = { initContainers: [{ name: "a", restartPolicy: "Always" }] };
	expect(text(pod(status(init("a", { running: {} })), { spec: sidecar }))).toBe("untold");
});

test("a pod that was evicted, one that goes, one that no kubelet has seen yet, one without a status", () => {
	const evicted = { phase: "Failed", reason: "Evicted", message: "The node was low on resource: memory." };
	expect(text(pod(evicted))).toBe("has failed (Evicted): The node was low on resource: memory.");
	const going = { metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" } };
	expect(text(pod(evicted, going))).toBeUndefined();
	expect(text(pod({ phase: "Pending", conditions: [scheduled] }))).toBe("untold");
	expect(text(pod({}))).toBe("untold");
	expect(text(pod({ phase: "Succeeded" }))).toBeUndefined();
});

test("a long message is cut", () => {
	const long = text(pod(pending(container(waiting("ErrImagePull", "x".repeat(10_000))))));
	expect(long).toHaveLength(maxReasonLength);
});
