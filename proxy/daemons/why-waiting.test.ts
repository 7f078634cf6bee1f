import { expect, test } from "vitest";
import { tenantIsFull, whyWaiting } from "./why-waiting.ts";

const answering = { t: "answering" } as const;
const unknown = { t: "unknown", failures: 1 } as const;
const up = { listed: true, draining: false, lastFailure: undefined };

test.each([
	["none has been started", []],
	["none has been started", [{ ...up, listed: false, reachability: answering }]],
	["1 is busy", [{ ...up, reachability: answering }]],
	["1 is shutting down", [{ ...up, draining: true, reachability: answering }]],
	["1 is not answering", [{ ...up, reachability: unknown }]],
	[
		"2 are busy, 1 is not answering (daemon b-2: connect ECONNREFUSED)",
		[
			{ ...up, reachability: answering },
			{ ...up, reachability: answering },
			{ ...up, reachability: unknown, lastFailure: "daemon b-2: connect ECONNREFUSED" },
		],
	],
])("%s", (text, daemons) => {
	expect(whyWaiting(daemons)).toBe(text);
});

test("what Kubernetes says comes last", () => {
	const says = "Kubernetes: pod b-1 cannot be scheduled: no room";
	expect(whyWaiting([], says)).toBe(`none has been started; ${says}`);
	expect(whyWaiting([{ ...up, reachability: answering }], says)).toBe(`1 is busy; ${says}`);
});

test("a build that waits for its own tenant's builds only", () => {
	expect(tenantIsFull("identity", 1)).toBe(
		"1 build of the same client identity may run at once, and so many do",
	);
	expect(tenantIsFull("listener", 2)).toBe("2 builds of the same listener may run at once, and so many do");
});
