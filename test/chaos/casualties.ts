import type { Build } from "./build.ts";
import type { Passing } from "./front.ts";
import type { Instance } from "./instance.ts";

/** Who was killed by kill -9, and between which times (`performance.now`) it died. */
export type Casualty = { readonly from: number; readonly until: number } & (
	| { readonly t: "proxy"; readonly instance: Pick<Instance, "id"> }
	| { readonly t: "daemon"; readonly name: string }
	| { readonly t: "client"; readonly build: Pick<Build, "number"> }
);

/**
 * How long a client may take to end: who is on the way may be frozen for 8 s, and buildctl connects once more, for which
 * it has 20 s.
 */
const heardWithinMs = 30_000;

/** Where a build was, and when. */
export interface Trace extends Pick<Build, "number" | "endedAt"> {
	readonly passings: readonly (Pick<Passing, "askedAt" | "endedAt"> & { readonly instance: object })[];
	servedBy(): readonly {
		readonly daemon: string;
		readonly atMs: number;
		readonly passing: Pick<Passing, "endedAt">;
	}[];
}

/** Whether the build was on a process that a fault killed, while that died: then it may fail. */
export function isExcused(build: Trace, casualties: readonly Casualty[]): boolean {
	return casualties.some((casualty) => wasOn(build, casualty));
}

function wasOn(build: Trace, casualty: Casualty): boolean {
	const { from, until } = casualty;
	// Who lives longer has outlived it, and dies of something else.
	if (build.endedAt !== undefined && build.endedAt > until + heardWithinMs) return false;
	switch (casualty.t) {
		case "client":
			return casualty.build === build;
		case "proxy":
			return build.passings.some(
				({ instance, askedAt, endedAt }) =>
					instance === casualty.instance && askedAt <= until && (endedAt ?? until) >= from,
			);
		case "daemon":
			// Only with an answer on the way to the client: before that the proxy owes it another daemon.
			return build
				.servedBy()
				.some(
					({ daemon, atMs, passing: { endedAt } }) =>
						daemon === casualty.name && atMs <= until && (endedAt ?? until) >= from,
				);
	}
}
