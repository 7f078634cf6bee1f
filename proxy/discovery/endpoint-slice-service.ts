import type { EndpointSlice } from "../../kubernetes/endpoint-slice.ts";
import type { ServiceName } from "../../kubernetes/endpoint-slice-watch.ts";
import type { Daemon } from "../daemon.ts";

/** A Service's port by the name it has there, or the number that the daemons listen on. */
export type DaemonPort = string | number;

/** The Service whose endpoints are the daemons. */
export interface WatchedService extends ServiceName {
	readonly port: DaemonPort;
}

/** More than this are not listed: a snapshot has no room for them (events/schema.ts). */
export const maxDaemons = 10_000;

/** Where the daemons of this slice listen; undefined when the Service has no such port. */
export function portNumber({ ports }: EndpointSlice, wanted: DaemonPort): number | undefined {
	// Not looked up in the Service: without a cluster IP it redirects nothing, and need not declare the port.
	if (typeof wanted === "number") return wanted;
	const tcp = (ports ?? []).filter(({ protocol }) => (protocol ?? "TCP") === "TCP");
	// The only port of a Service needs no name, and then there is no doubt which one is meant.
	const [only, ...others] = tcp;
	const unnamed = others.length === 0 && (only?.name ?? "") === "" ? only : undefined;
	return (tcp.find(({ name }) => name === wanted) ?? unnamed)?.port ?? undefined;
}

/** What is probably not meant, in one line: a wrong name looks like a pool that sleeps. */
export function oddityOf(
	slices: readonly EndpointSlice[],
	daemons: readonly Daemon[],
	{ namespace, service, port }: WatchedService,
): string | undefined {
	// A Service that selects no pods still has one slice, without endpoints.
	if (slices.length === 0) return `namespace ${namespace} has no Service ${service}, or it selects nothing`;
	const portless = slices.find((slice) => slice.endpoints?.length && portNumber(slice, port) === undefined);
	if (portless !== undefined) {
		const names = (portless.ports ?? []).map(({ name }) => `"${name ?? ""}"`).join(", ");
		return `Service ${service} has no TCP port named "${port}", but ${names || "none at all"}`;
	}
	if (daemons.length === maxDaemons) return `only ${maxDaemons} endpoints of Service ${service} are used`;
	return undefined;
}
