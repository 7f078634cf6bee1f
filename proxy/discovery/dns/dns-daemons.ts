import type { Daemon } from "../../daemon.ts";

/** One SRV record whose target has an address. */
export interface ServiceRecord {
	readonly target: string;
	readonly port: number;
	readonly address: string;
}

/** More records than this are not used: each one is a daemon to dial, and a name to look up. */
export const maxRecords = 1_000;

/** A daemon's name must fit into events (events/schema.ts). */
const maxNameLength = 253;

/** Bare addresses have no order, and are their own names. DNS does not tell who terminates. Pure. */
export function daemonsOfAddresses(addresses: readonly string[], port: number): readonly Daemon[] {
	return [...new Set(addresses)]
		.toSorted(compare)
		.slice(0, maxRecords)
		.map((host) => ({
			name: `${host}:${port}`,
			address: { t: "tcp", host, port },
			ordinal: null,
			draining: false,
		}));
}

/**
 * The daemons of a service's records, by ordinal and name. `domain` is where the service is: a target below it is a
 * pod of a headless Service and has the pod's name (Kubernetes DNS specification, 2.4.2). Priority and weight are of no
 * matter: the pool balances by itself. Pure.
 */
export function daemonsOfServices(records: readonly ServiceRecord[], domain: string): readonly Daemon[] {
	const byName = new Map<string, Daemon>();
	// So that of two records of one name the same one counts, whatever their order.
	for (const record of records.toSorted((a, b) => compare(a.target, b.target) || a.port - b.port)) {
		const daemon = daemonOf(record, domain);
		if (daemon.name.length <= maxNameLength && !byName.has(daemon.name)) byName.set(daemon.name, daemon);
	}
	return [...byName.values()].toSorted(byOrdinalAndName).slice(0, maxRecords);
}

function daemonOf({ target, port, address: host }: ServiceRecord, domain: string): Daemon {
	const address = { t: "tcp", host, port } as const;
	const pod = podName(target, domain);
	if (pod === undefined) return { name: `${target}:${port}`, address, ordinal: null, draining: false };
	// A pod without a hostname has its address instead: 10-0-0-7 is no pod number 7.
	const nameless = pod === host.replaceAll(/[.:]/g, "-");
	return { name: pod, address, ordinal: nameless ? null : ordinalOf(pod), draining: false };
}

function podName(target: string, domain: string): string | undefined {
	const suffix = `.${domain}`.toLowerCase();
	if (!target.toLowerCase().endsWith(suffix)) return undefined;
	const name = target.slice(0, -suffix.length);
	return name === "" || name.includes(".") ? undefined : name;
}

/**
 * Four digits at most: CoreDNS can be told to use pods' names (`endpoint_pod_names`), and the random end of a
 * Deployment's, always five characters, may be all digits.
 */
function ordinalOf(pod: string): number | null {
	const digits = /-(0|[1-9]\d{0,3})$/.exec(pod)?.[1];
	return digits === undefined ? null : Number(digits);
}

function byOrdinalAndName(a: Daemon, b: Daemon): number {
	return (
		(a.ordinal ?? Number.MAX_SAFE_INTEGER) - (b.ordinal ?? Number.MAX_SAFE_INTEGER) || compare(a.name, b.name)
	);
}

function compare(a: string, b: string): number {
	if (a === b) return 0;
	return a < b ? -1 : 1;
}
