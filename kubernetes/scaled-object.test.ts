import { expect, test } from "vitest";
import { targetOf } from "./scaled-object.ts";

function object(spec: object = {}, annotations?: Record<string, string>): object {
	return { metadata: { name: "so", annotations }, spec: { scaleTargetRef: { name: "d" }, ...spec } };
}

test("what KEDA scales, with KEDA's defaults", () => {
	expect(targetOf(object(), "ci")).toEqual({
		t: "scalable",
		workload: { kind: "Deployment", namespace: "ci", name: "d" },
		maxReplicas: 100,
	});
	const scaleTargetRef = { apiVersion: "apps/v1", kind: "StatefulSet", name: "d" };
	expect(targetOf(object({ scaleTargetRef, maxReplicaCount: 7 }), "ci")).toMatchObject({
		workload: { kind: "StatefulSet" },
		maxReplicas: 7,
	});
});

test.each([
	["paused", "true"],
	["paused-replicas", "0"],
	["paused-scale-out", "true"],
])("not while it is %s", (name, value) => {
	expect(targetOf(object({}, { [`autoscaling.keda.sh/${name}`]: value }), "ci")).toEqual({
		t: "untouchable",
		why: `it has autoscaling.keda.sh/${name}`,
	});
});

test("other annotations, and pauses that are off, are no obstacle", () => {
	const annotations = {
		"autoscaling.keda.sh/paused": "false",
		"autoscaling.keda.sh/paused-scale-in": "true",
	};
	expect(targetOf(object({}, annotations), "ci").t).toBe("scalable");
});

test("what has no scale of ours is left alone; what is no ScaledObject is an error", () => {
	const rollout = { apiVersion: "argoproj.io/v1alpha1", kind: "Rollout", name: "d" };
	expect(targetOf(object({ scaleTargetRef: rollout }), "ci")).toMatchObject({ t: "untouchable" });
	expect(() => targetOf({ metadata: {}, spec: {} }, "ci")).toThrow();
});
