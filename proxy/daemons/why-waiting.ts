import type { FairBy } from "../queue/origin-key.ts";
import type { DaemonEntry } from "./daemon-entry.ts";

type Known = Pick<DaemonEntry, "listed" | "reachability" | "lastFailure" | "draining">;

/**
 * Why no daemon took a build, in words for its user; `whyNone` is what whoever starts daemons says of those that do not
 * come. Pure.
 */
export function whyWaiting(daemons: Iterable<Known>, whyNone?: string): string {
	const listed = [...daemons].filter((entry) => entry.listed);
	const staying = listed.filter(({ draining }) => !draining);
	const answering = staying.filter(({ reachability }) => reachability.t === "answering");
	const silent = staying.filter((entry) => !answering.includes(entry));
	const failure = silent.find(({ lastFailure }) => lastFailure !== undefined)?.lastFailure;
	const parts = [
		part(answering.length, "busy"),
		part(silent.length, `not answering${failure === undefined ? "" : ` (${failure})`}`),
		part(listed.length - staying.length, "shutting down"),
	].filter((text) => text !== undefined);
	const known = parts.length === 0 ? "none has been started" : parts.join(", ");
	return whyNone === undefined ? known : `${known}; ${whyNone}`;
}

/** Why a build waits although a daemon may have room: its tenant has as many as it may have. Pure. */
export function tenantIsFull(fairBy: FairBy, maxPerTenant: number): string {
	const builds = maxPerTenant === 1 ? "1 build" : `${maxPerTenant} builds`;
	return `${builds} of the same ${tenantWords[fairBy]} may run at once, and so many do`;
}

const tenantWords: Readonly<Record<FairBy, string>> = {
	none: "pool",
	identity: "client identity",
	serverName: "server name",
	listener: "listener",
};

function part(count: number, what: string): string | undefined {
	return count === 0 ? undefined : `${count} ${count === 1 ? "is" : "are"} ${what}`;
}
