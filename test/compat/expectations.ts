// What the facts say of each cell. Pure.
import { unreachable } from "../../common/error.ts";
import { type Cell, type Column, compareVersions, longHoldSeconds } from "./cells.ts";

export type Expectation =
	| { readonly t: "works" }
	/** It fails, and must: `fact` says why. */
	| { readonly t: "fails"; readonly fact: keyof typeof facts }
	/** The client has no such switch. */
	| { readonly t: "none" };

/** Why a cell fails; it must take this long, or it fails for another reason. */
interface Fact {
	readonly text: string;
	readonly fromSeconds: number;
	readonly toSeconds: number;
}

export const facts = {
	oneAttempt: {
		text:
			"grpc-go gives connection, TLS handshake and the first SETTINGS 20 s together (`minConnectTimeout`), and a " +
			"handshake that passes through is the daemon's to answer: the proxy ends the wait after 18 s. buildctl makes " +
			"no second attempt, unless `--wait` tells it to.",
		fromSeconds: 17,
		toSeconds: 30,
	},
	twoAttempts: {
		text:
			"As 1; buildx (from v0.13 on) makes a second attempt, of at most 20 s, and then gives up. It has no switch to " +
			"wait longer.",
		fromSeconds: 34,
		toSeconds: 58,
	},
	noAlpn: {
		text:
			"buildctl insists on ALPN from v0.19 on (grpc-go 1.67), and buildkitd offers it only from v0.17 on. A proxy " +
			"that ends TLS offers it for every daemon.",
		fromSeconds: 0,
		// With --wait, buildctl tries again for as long as it was told to.
		toSeconds: 140,
	},
} as const satisfies Record<string, Fact>;

const works: Expectation = { t: "works" };

/** What the facts say that will happen. */
export function expectation({ row, column: { mode, holdSeconds, waits } }: Cell): Expectation {
	const { kind, version } = row.client;
	if (waits && kind === "buildx") return { t: "none" };
	if (mode !== "passthrough") return works;
	const isLong = holdSeconds >= longHoldSeconds && !waits;
	if (kind === "buildctl" && isLong) return { t: "fails", fact: "oneAttempt" };
	if (kind === "buildctl") {
		const noAlpn = !isBefore(version, "v0.19") && isBefore(row.daemon, "v0.17");
		return noAlpn ? { t: "fails", fact: "noAlpn" } : works;
	}
	// Before v0.13 it tries again and again, without an end.
	return isLong && !isBefore(version, "v0.13") ? { t: "fails", fact: "twoAttempts" } : works;
}

function isBefore(version: string, other: string): boolean {
	return compareVersions(version, other) < 0;
}

/** Also in its time: a build cannot work before its hold is over, nor fail sooner or later than its fact says. */
export function isAsExpected(
	{ ok, seconds }: { readonly ok: boolean; readonly seconds: number },
	expected: Expectation,
	{ holdSeconds }: Column,
): boolean {
	switch (expected.t) {
		case "works":
			return ok && seconds >= holdSeconds;
		case "fails": {
			const { fromSeconds, toSeconds } = facts[expected.fact];
			return !ok && seconds >= fromSeconds && seconds <= toSeconds;
		}
		case "none":
			return true;
		default:
			return unreachable(expected);
	}
}
