import { expect, test } from "vitest";
import { whyWaiting } from "./why-waiting.ts";

const answering = { t: "answering" } as const;
const unknown = { t: "unknown", failures: 1 } as const;
const up = { listed: true, daemon: { draining: false }, lastFailure: undefined };

test.each([
	["none has been started", []],
	["none has been started", [{ ...up, listed: false, reachability: answering }]],
	["1 is busy", [{ ...up, reachability: answering }]],
	["1 is shutting down", [{ ...up, daemon: { draining: true }, reachability: answering }]],
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
