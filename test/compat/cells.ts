// What the table tries.
import { buildkit, buildx } from "../tools/go-modules.ts";
import { buildkitReleases, buildxReleases } from "../tools/go-releases.ts";

type ClientKind = "buildctl" | "buildx";

export interface Client {
	readonly kind: ClientKind;
	readonly version: string;
}

/** How clients reach daemons. */
export const modes = ["plaintext", "terminate", "passthrough"] as const;
export type Mode = (typeof modes)[number];

/** One column: a mode, how long the daemon is not there yet, and whether buildctl was told to wait for it. */
export interface Column {
	readonly mode: Mode;
	readonly holdSeconds: number;
	readonly waits: boolean;
}

/** Long enough that every client's own limits on a connect are over. */
export const longHoldSeconds = 60;
/** As long as a hold can be that only holds bytes, with room for a slow machine. */
export const shortHoldSeconds = 10;

const column = (mode: Mode, holdSeconds: number, waits = false): Column => ({ mode, holdSeconds, waits });

export const columns = [
	column("plaintext", 0),
	column("plaintext", longHoldSeconds),
	column("terminate", 0),
	column("terminate", longHoldSeconds),
	column("passthrough", 0),
	column("passthrough", shortHoldSeconds),
	column("passthrough", longHoldSeconds),
	column("passthrough", longHoldSeconds, true),
] as const;

/** One row: a client, and the version of its daemon. */
export interface Row {
	readonly client: Client;
	readonly daemon: string;
}

export interface Cell {
	readonly row: Row;
	readonly column: Column;
}

export const newestDaemon = buildkit.version;

/** Oldest first. */
export const daemonVersions = [...buildkitReleases.map(({ version }) => version), newestDaemon];

export const clients: readonly Client[] = [
	...daemonVersions.map((version): Client => ({ kind: "buildctl", version })),
	...[...buildxReleases.map(({ version }) => version), buildx.version]
		.sort(compareVersions)
		.map((version): Client => ({ kind: "buildx", version })),
];

/**
 * Each client with the newest daemon, each buildctl with that of its own version too, and the newest buildctl with a
 * daemon that is too old for it, but not for the proxy.
 */
export const rows: readonly Row[] = clients.flatMap((client) => {
	const own = client.kind === "buildctl" ? [client.version] : [];
	const old = client.kind === "buildctl" && client.version === newestDaemon ? ["v0.14.1"] : [];
	return [...new Set([...old, ...own, newestDaemon])].map((daemon) => ({ client, daemon }));
});

export function describeColumn({ mode, holdSeconds, waits }: Column): string {
	const held = holdSeconds === 0 ? "warm" : `${holdSeconds} s hold`;
	return `${mode}, ${held}${waits ? ", `--wait`" : ""}`;
}

export function describeRow({ client, daemon }: Row): string {
	return `${client.kind} ${client.version} with buildkitd ${daemon}`;
}

export function compareVersions(a: string, b: string): number {
	return a.localeCompare(b, "en", { numeric: true });
}
