import { isIP } from "node:net";
import type { Endpoint, EndpointSlice } from "../../kubernetes/endpoint-slice.ts";
import type { Daemon } from "../daemon.ts";
import { type DaemonPort, maxDaemons, portNumber } from "./endpoint-slice-service.ts";

/** One endpoint of one slice, as a daemon. */
interface Candidate {
	readonly name: string;
	/** Tells a pod from the next one of the same name. */
	readonly pod: string;
	readonly ordinal: number | null;
	readonly host: string;
	readonly port: number;
	readonly terminating: boolean;
	readonly serving: boolean;
}

/**
 * The daemons that a Service's slices describe, by ordinal and name; the order of slices and endpoints is of no
 * matter. Those that are not ready yet are among them: the pool dials eagerly.
 */
export function daemonsOfSlices(slices: Iterable<EndpointSlice>, port: DaemonPort): readonly Daemon[] {
	const byName = new Map<string, Candidate[]>();
	for (const slice of slices) {
		const number = portNumber(slice, port);
		if (number === undefined) continue;
		for (const endpoint of slice.endpoints ?? []) {
			const candidate = readEndpoint(endpoint, number);
			if (candidate === undefined) continue;
			const others = byName.get(candidate.name);
			if (others === undefined) byName.set(candidate.name, [candidate]);
			else others.push(candidate);
		}
	}
	return [...byName.values()].map(merge).sort(byOrdinalAndName).slice(0, maxDaemons);
}

function readEndpoint(endpoint: Endpoint, port: number): Candidate | undefined {
	// All addresses of an endpoint are the same pod's; consumers use the first.
	const host = endpoint.addresses[0] ?? "";
	if (host === "") return undefined;
	const podName = endpoint.targetRef?.name ?? "";
	const hostname = endpoint.hostname ?? "";
	const name = podName || hostname || host;
	return {
		name,
		pod: endpoint.targetRef?.uid ?? host,
		ordinal: hostname === podName ? trailingNumber(podName) : null,
		host,
		port,
		terminating: endpoint.conditions?.terminating ?? false,
		// Kubernetes: null means yes.
		serving: endpoint.conditions?.serving ?? true,
	};
}

/**
 * Only a StatefulSet's pod has its own name as its hostname in a slice. A Deployment's pod has none, which matters as
 * its random suffix may be all digits.
 */
function trailingNumber(podName: string): number | null {
	const digits = /-(\d{1,6})$/.exec(podName)?.[1];
	return digits === undefined ? null : Number(digits);
}

/** One daemon of everything that is listed under its name. */
function merge(candidates: readonly Candidate[]): Daemon {
	const byPod = new Map<string, Candidate[]>();
	for (const candidate of candidates) {
		const same = byPod.get(candidate.pod);
		if (same === undefined) byPod.set(candidate.pod, [candidate]);
		else same.push(candidate);
	}
	const pods = [...byPod.values()].map((entries) => {
		// The same pod in several slices: on its way from one to the other, or with IPv4 and IPv6.
		const chosen = first(entries, byAddress);
		return {
			...chosen,
			terminating: entries.some(({ terminating }) => terminating),
			serving: entries.some(({ serving }) => serving),
		};
	});
	// Two pods of one name: the old one's slice is behind. Who terminates is the old one, who serves the newer.
	const { name, host, port, terminating } = first(pods, byLife);
	// Written in the name, so it is the same wherever it is known.
	const ordinal = candidates.find((candidate) => candidate.ordinal !== null)?.ordinal ?? null;
	return { name, address: { t: "tcp", host, port }, ordinal, draining: terminating };
}

type Order<T> = (a: T, b: T) => number;

function first<T>(items: readonly T[], order: Order<T>): T {
	return items.reduce((best, item) => (order(item, best) < 0 ? item : best));
}

const byAddress: Order<Candidate> = (a, b) =>
	familyRank(a.host) - familyRank(b.host) || compare(a.host, b.host) || a.port - b.port;

const byLife: Order<Candidate> = (a, b) =>
	Number(a.terminating) - Number(b.terminating) || Number(b.serving) - Number(a.serving) || byAddress(a, b);

const byOrdinalAndName: Order<Daemon> = (a, b) =>
	(a.ordinal ?? Number.MAX_SAFE_INTEGER) - (b.ordinal ?? Number.MAX_SAFE_INTEGER) || compare(a.name, b.name);

/** IPv4, IPv6, name. */
function familyRank(host: string): number {
	const family = isIP(host);
	return family === 0 ? 9 : family;
}

function compare(a: string, b: string): number {
	if (a === b) return 0;
	return a < b ? -1 : 1;
}
