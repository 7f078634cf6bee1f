import { setImmediate as turn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { createLogger } from "../../../common/log.ts";
import { ApiStatusError } from "../../../kubernetes/api-status-error.ts";
import { ManualClock } from "../../../test/helpers/manual-clock.ts";
import { type KubeEvent, type Pod, readPod } from "./pod.ts";
import { type PodApi, PodReasons } from "./pod-reasons.ts";

const pending = (name: string, message: string, owner = "other") =>
	readPod({
		metadata: { name, uid: name, ownerReferences: [{ kind: "StatefulSet", name: owner }] },
		spec: {},
		status: {
			phase: "Pending",
			conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message }],
		},
	});

function start() {
	const clock = new ManualClock();
	const log = createLogger("silent");
	const lines: string[] = [];
	log.info = (_fields: object, message?: string) => void lines.push(message ?? "");
	const asked: string[] = [];
	const signals: AbortSignal[] = [];
	const answers: {
		selector: () => string | undefined;
		pods: () => readonly Pod[];
		events: () => readonly KubeEvent[];
		hold: Promise<void> | undefined;
	} = {
		selector: () => "app=buildkitd",
		pods: () => [pending("b-0", "no room")],
		events: () => [],
		hold: undefined,
	};
	const api: PodApi = {
		async selector(signal) {
			asked.push("selector");
			signals.push(signal);
			return answers.selector();
		},
		async pods(selector) {
			asked.push(`pods ${selector}`);
			await answers.hold;
			return answers.pods();
		},
		async events(selector) {
			asked.push(`events ${selector}`);
			return answers.events();
		},
	};
	const reasons = new PodReasons("buildkitd", { api, clock, log });
	onTestFinished(() => reasons.close());
	return {
		clock,
		reasons,
		answers,
		asked,
		signals,
		lines,
		async advance(ms: number) {
			clock.advance(ms);
			await turn();
		},
	};
}

const noRoom = "Kubernetes: pod b-0 cannot be scheduled: no room";

test("asks nothing while nobody waits, nor for an ordinary wake", async () => {
	const { reasons, asked, advance, clock } = start();
	await advance(60_000);
	reasons.hurry(true);
	await advance(1_900);
	reasons.hurry(false);
	await advance(60_000);
	expect(asked).toEqual([]);
	expect(reasons.text).toBeUndefined();
	expect(clock.pending).toBe(0);
});

test("says why while somebody waits, looks less often after a minute, and forgets it soon after", async () => {
	const { reasons, asked, advance, answers, clock } = start();
	reasons.hurry(true);
	await advance(2_000);
	expect(asked).toEqual(["selector", "pods app=buildkitd", "events reason=FailedCreate"]);
	expect(reasons.text).toBe(noRoom);
	answers.pods = () => [pending("b-0", "still no room")];
	await advance(3_000);
	expect(reasons.text).toContain("still no room");
	const pauses = [...Array.from({ length: 18 }, () => 3_000), 15_000, 15_000];
	for (const [looks, pause] of pauses.entries()) {
		await advance(pause - 1);
		expect(asked).toHaveLength(3 * (looks + 2));
		await advance(1);
		expect(asked).toHaveLength(3 * (looks + 3));
	}
	reasons.hurry(false);
	// A daemon that dies at once gives its build back.
	await advance(4_000);
	reasons.hurry(true);
	expect(reasons.text).toContain("still no room");
	reasons.hurry(false);
	await advance(5_000);
	expect(reasons.text).toBeUndefined();
	expect(clock.pending).toBe(0);
});

test("a build that comes back again and again, as its daemon dies at once, is one that waits", async () => {
	const { reasons, advance } = start();
	for (let tries = 0; tries < 4; tries++) {
		reasons.hurry(true);
		await advance(900);
		reasons.hurry(false);
		await advance(200);
	}
	reasons.hurry(true);
	expect(reasons.text).toBe(noRoom);
});

test("a look that fails leaves what is known; one that is not answered is given up", async () => {
	const { reasons, advance, answers, signals } = start();
	reasons.hurry(true);
	await advance(2_000);
	answers.pods = () => {
		throw new ApiStatusError(500, "etcd");
	};
	await advance(5_000);
	expect(reasons.text).toBe(noRoom);
	answers.pods = () => [];
	answers.hold = new Promise(() => {});
	await advance(3_000);
	await advance(10_000);
	expect(signals.at(-1)?.aborted).toBe(true);
	expect(reasons.text).toBe(noRoom);
});

test("an answer that comes after the end is of no matter", async () => {
	const { reasons, advance, answers, signals, clock } = start();
	const held = Promise.withResolvers<void>();
	answers.hold = held.promise;
	reasons.hurry(true);
	await advance(2_000);
	reasons.close();
	expect(signals[0]?.aborted).toBe(true);
	held.resolve();
	await turn();
	expect(reasons.text).toBeUndefined();
	expect(clock.pending).toBe(0);
});

test("without permission for pods it is off, and says so once", async () => {
	const { reasons, advance, answers, asked, lines, clock } = start();
	answers.selector = () => {
		throw new ApiStatusError(403, "forbidden");
	};
	for (let waits = 0; waits < 3; waits++) {
		reasons.hurry(true);
		await advance(60_000);
		reasons.hurry(false);
		await advance(5_000);
	}
	expect(asked).toEqual(["selector"]);
	expect(lines).toHaveLength(1);
	expect(lines[0]).toContain("may not list pods and get the Service");
	expect(reasons.text).toBeUndefined();
	expect(clock.pending).toBe(0);
});

test("without permission for events the pods still tell", async () => {
	const { reasons, advance, answers, asked, lines } = start();
	answers.events = () => {
		throw new ApiStatusError(403, "forbidden");
	};
	reasons.hurry(true);
	await advance(60_000);
	expect(reasons.text).toBe(noRoom);
	expect(asked.filter((what) => what.startsWith("events"))).toHaveLength(1);
	expect(lines).toHaveLength(1);
	expect(lines[0]).toContain("may not list events");
});

test("a Service that selects nothing has no pods to explain", async () => {
	const { reasons, advance, answers, asked } = start();
	answers.selector = () => undefined;
	reasons.hurry(true);
	await advance(2_000);
	expect(reasons.text).toBeUndefined();
	expect(asked).toEqual(["selector"]);
});

test.each([
	["the StatefulSet of the Service's name", "StatefulSet", "buildkitd", true],
	["the StatefulSet that pods were seen of", "StatefulSet", "other", true],
	["another StatefulSet", "StatefulSet", "web", false],
	["a Deployment's ReplicaSet", "ReplicaSet", "buildkitd-7d4b9c", true],
	["another Deployment's ReplicaSet", "ReplicaSet", "buildkitd-web-7d4b9c", false],
	["a Job", "Job", "buildkitd", false],
])("a refusal to %s", async (_what, kind, name, ours) => {
	const { reasons, advance, answers, clock } = start();
	reasons.hurry(true);
	await advance(2_000);
	answers.pods = () => [];
	answers.events = () => [
		{ kind, name, uid: "", warning: true, reason: "FailedCreate", message: "no", at: clock.wallTime() },
	];
	await advance(5_000);
	expect(reasons.text?.includes("refused")).toBe(ours);
});
