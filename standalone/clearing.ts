import type { WorkloadKind } from "../kubernetes/workload.ts";
import type { DrainAnswer } from "../scaler/drain/drains.ts";
import type { KnownDaemon } from "../scaler/known-daemon.ts";

/**
 * The daemons that go when so many stay, as far as it is known: a StatefulSet's highest ordinals; all when none stays. Of a
 * Deployment that keeps some, nobody knows before: its pods' deletion cost and their preStop hook see to it.
 */
export function goingDaemons(
	kind: WorkloadKind,
	daemons: readonly KnownDaemon[],
	replicas: number,
): readonly KnownDaemon[] {
	if (replicas === 0) return daemons;
	switch (kind) {
		case "StatefulSet":
			return daemons.filter(({ ordinal }) => ordinal !== null && ordinal >= replicas);
		case "Deployment":
			return [];
	}
}

/** Whether all of them can go: no proxy gives them builds any more, and none is on them. */
export async function areCleared(
	daemons: readonly KnownDaemon[],
	drain: (daemon: string) => Promise<DrainAnswer>,
): Promise<boolean> {
	const answers = await Promise.all(daemons.map(({ name }) => drain(name)));
	// A daemon that no proxy knows any more gets no builds either.
	return answers.every(({ t }) => t === "drained" || t === "foreign");
}
