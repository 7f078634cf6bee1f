import { describe, expect, test } from "vitest";
import { type Pod, readEvent, readPod } from "./pod.ts";
import { eventsWanted, whyNoDaemon } from "./why-no-daemon.ts";

const now = Date.parse("2026-01-01T01:00:00Z");
const secondsAgo = (seconds: number) => new Date(now - seconds * 1_000).toISOString();

function pod(name: string, status: object, createdSecondsAgo = 30): Pod {
	const creationTimestamp = secondsAgo(createdSecondsAgo);
	const volumes = [{ name: "state", persistentVolumeClaim: { claimName: `state-${name}` } }];
	return readPod({ metadata: { name, uid: `uid-${name}`, creationTimestamp }, spec: { volumes }, status });
}

const unschedulable = (message: string) => ({
	phase: "Pending",
	conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message }],
});
const creating = {
	phase: "Pending",
	containerStatuses: [{ name: "buildkitd", state: { waiting: { reason: "ContainerCreating" } } }],
};
const running = {
	phase: "Running",
	containerStatuses: [{ name: "buildkitd", ready: true, state: { running: {} } }],
};

function event(kind: string, name: string, reason: string, message: string, more: object = {}) {
	return readEvent({
		metadata: { name: `${name}.18a`, namespace: "builds", creationTimestamp: secondsAgo(60) },
		involvedObject: { kind, namespace: "builds", name, uid: `uid-${name}`, apiVersion: "v1" },
		type: "Warning",
		reason,
		message,
		source: { component: "kubelet" },
		firstTimestamp: secondsAgo(60),
		lastTimestamp: secondsAgo(10),
		count: 3,
		eventTime: null,
		...more,
	});
}

const refused = (more: object = {}) =>
	event(
		"StatefulSet",
		"buildkitd",
		"FailedCreate",
		'create Pod buildkitd-0 in StatefulSet buildkitd failed error: pods "buildkitd-0" is forbidden: ' +
			"exceeded quota: builds, requested: pods=1, used: pods=4, limited: pods=4",
		more,
	);

const isOwner = (kind: string, name: string) => kind === "StatefulSet" && name === "buildkitd";
const why = (pods: readonly Pod[], events: readonly ReturnType<typeof event>[] = []) =>
	whyNoDaemon(pods, events, isOwner, now);

test("pods with the same trouble share a line, and there are two at most", () => {
	const noCpu = unschedulable("0/1 nodes are available: 1 Insufficient cpu.");
	const pods = [5, 6, 7, 8, 9].map((n) => pod(`b-${n}`, noCpu));
	expect(why(pods)).toBe(
		"Kubernetes: pods b-5, b-6, b-7 and 2 more cannot be scheduled: 0/1 nodes are available: 1 Insufficient cpu",
	);
	const different = [1, 2, 3].map((n) => pod(`b-${n}`, unschedulable(`reason ${n}`)));
	expect(why(different)).toBe(
		"Kubernetes: pod b-1 cannot be scheduled: reason 1; pod b-2 cannot be scheduled: reason 2",
	);
	expect(why([1, 2].map((n) => pod(`b-${n}`, unschedulable(`${n}${"x".repeat(500)}`))))!.length).toBe(600);
});

test("pods that run have nothing to explain, and no pods at all are worth a word", () => {
	expect(why([pod("b-0", running)])).toBeUndefined();
	expect(why([])).toBe("Kubernetes: no pod has been created");
});

describe("a pod that is being created", () => {
	test("is told by its latest event that matters", () => {
		const pods = [pod("b-0", creating)];
		expect(why(pods)).toBe("Kubernetes: pod b-0 is being created");
		const pulling = event("Pod", "b-0", "Pulling", 'Pulling image "moby/buildkit:v0.33.1"', {
			type: "Normal",
		});
		const mount = event("Pod", "b-0", "FailedMount", 'MountVolume.SetUp failed for volume "config"', {
			lastTimestamp: secondsAgo(5),
		});
		const scheduled = event("Pod", "b-0", "Scheduled", "Successfully assigned", {
			type: "Normal",
			lastTimestamp: null,
			eventTime: secondsAgo(1),
		});
		const other = event("Pod", "b-1", "FailedMount", "no", { lastTimestamp: secondsAgo(1) });
		expect(why(pods, [scheduled, other, pulling])).toBe(
			'Kubernetes: pod b-0 is being created: Pulling image "moby/buildkit:v0.33.1"',
		);
		expect(why(pods, [pulling, mount, other])).toBe(
			'Kubernetes: pod b-0 is being created (FailedMount): MountVolume.SetUp failed for volume "config"',
		);
	});

	test("asks for its own events, one that lacks its volume for the claim's", () => {
		const unbound = pod("b-1", unschedulable("pod has unbound immediate PersistentVolumeClaims"));
		expect(eventsWanted([pod("b-0", creating), pod("b-2", creating), unbound])).toEqual([
			"reason=FailedCreate",
			"involvedObject.uid=uid-b-0",
			"involvedObject.kind=PersistentVolumeClaim,involvedObject.name=state-b-1",
		]);
		expect(eventsWanted([pod("b-0", running)])).toEqual(["reason=FailedCreate"]);
		const binding = event(
			"PersistentVolumeClaim",
			"state-b-1",
			"FailedBinding",
			"no persistent volumes available for this claim and no storage class is set",
			{ type: "Normal" },
		);
		const fine = event("PersistentVolumeClaim", "state-b-1", "WaitForFirstConsumer", "waiting", {
			lastTimestamp: secondsAgo(1),
		});
		expect(why([unbound], [fine, binding])).toBe(
			"Kubernetes: pod b-1 cannot be scheduled: pod has unbound immediate PersistentVolumeClaims; " +
				"volume claim state-b-1: no persistent volumes available for this claim and no storage class is set",
		);
	});
});

describe("a pod that was refused", () => {
	const quota =
		'pods "buildkitd-0" is forbidden: exceeded quota: builds, requested: pods=1, used: pods=4, limited: pods=4';

	test("is told by its controller's event", () => {
		expect(why([], [refused()])).toBe(`Kubernetes: it refused to create a pod: ${quota}`);
		const [, rest] = ["", "cannot be scheduled: no room"];
		const both = why([pod("b-0", unschedulable("no room"))], [refused()]);
		expect(both).toBe(`Kubernetes: pod b-0 ${rest}; it refused to create a pod: ${quota}`);
		const replicaSet = event("ReplicaSet", "b-7d4", "FailedCreate", "Error creating: pods is forbidden: no");
		expect(whyNoDaemon([], [replicaSet], () => true, now)).toBe(
			"Kubernetes: it refused to create a pod: pods is forbidden: no",
		);
	});

	test("some time ago says so; long ago, or before a pod was created, or another's, is of no interest", () => {
		const ago = (seconds: number) => refused({ lastTimestamp: secondsAgo(seconds) });
		expect(why([], [ago(200)])).toContain("refused to create a pod (3 min ago): ");
		expect(why([], [ago(1_300)])).toBe("Kubernetes: no pod has been created");
		expect(why([pod("buildkitd-0", running, 100)], [ago(200)])).toBeUndefined();
		expect(why([pod("buildkitd-0", running, 100)], [ago(50)])).toContain("refused");
		expect(whyNoDaemon([], [refused()], () => false, now)).toBe("Kubernetes: no pod has been created");
	});

	test("in the newer form of events has its time in a series", () => {
		const series = { series: { count: 5, lastObservedTime: secondsAgo(130) }, lastTimestamp: null };
		expect(why([], [refused(series)])).toContain("(2 min ago)");
	});
});
