import type { DaemonEntry } from "./daemon-entry.ts";

type Known = Pick<DaemonEntry, "listed" | "reachability" | "lastFailure"> & {
	readonly daemon: Pick<DaemonEntry["daemon"], "draining">;
};

/** Why no daemon took a build, in words for its user. Pure. */
export function whyWaiting(daemons: Iterable<Known>): string {
	const listed = [...daemons].filter((entry) => entry.listed);
	const staying = listed.filter(({ daemon }) => !daemon.draining);
	const answering = staying.filter(({ reachability }) => reachability.t === "answering");
	const silent = staying.filter((entry) => !answering.includes(entry));
	const failure = silent.find(({ lastFailure }) => lastFailure !== undefined)?.lastFailure;
	const parts = [
		part(answering.length, "busy"),
		part(silent.length, `not answering${failure === undefined ? "" : ` (${failure})`}`),
		part(listed.length - staying.length, "shutting down"),
	].filter((text) => text !== undefined);
	return parts.length === 0 ? "none has been started" : parts.join(", ");
}

function part(count: number, what: string): string | undefined {
	return count === 0 ? undefined : `${count} ${count === 1 ? "is" : "are"} ${what}`;
}
