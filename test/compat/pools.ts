import { join } from "node:path";
import { startBuildkitdProcess } from "../helpers/buildkitd-process.ts";
import { Cleanup } from "../helpers/cleanup.ts";
import { loopbackHosts } from "../helpers/loopback.ts";
import { createAuthority, writeCertificate } from "../helpers/x509.ts";
import { buildkitdOf, type Target } from "./build.ts";
import { type Cell, type Mode, shortHoldSeconds } from "./cells.ts";
import { type Certificates, type PoolOrder, startProxy } from "./proxies.ts";

/** Daemons that start together: what waits for one of them is not to be served by another. */
export type Group = "short" | "long";

interface Daemon {
	readonly version: string;
	readonly address: string;
	readonly folder: string;
	readonly group: Group;
	readonly isTls: boolean;
}

/** Makes the certificates of a pool below `folder`. */
export function makeCertificates(folder: string): Certificates {
	const authority = createAuthority();
	const side = (name: string, names: readonly string[]) =>
		writeCertificate(join(folder, name), authority, authority.issue({ commonName: name, names }));
	return { daemon: side("daemon", ["localhost", "127.0.0.1"]), client: side("client", ["client"]) };
}

/** Every way to daemons of every version, through one proxy. The daemons come and go. */
export class Pools {
	readonly #daemons: readonly Daemon[];
	readonly #addresses: ReadonlyMap<string, string>;
	readonly #certificates: Certificates;

	private constructor(
		daemons: readonly Daemon[],
		addresses: ReadonlyMap<string, string>,
		certificates: Certificates,
	) {
		this.#daemons = daemons;
		this.#addresses = addresses;
		this.#certificates = certificates;
	}

	static async start(
		cleanup: Cleanup,
		{ versions, folder, natsUrl }: { versions: readonly string[]; folder: string; natsUrl: string },
	): Promise<Pools> {
		const nextHost = loopbackHosts();
		const daemons: Daemon[] = [];
		const pools: PoolOrder[] = [];
		for (const version of versions) {
			const add = (group: Group, isTls: boolean, served: readonly Mode[]) => {
				const address = `${nextHost()}:1234`;
				const name = `${version}-${group}-${isTls ? "tls" : "plain"}`;
				daemons.push({ version, group, isTls, address, folder: join(folder, name) });
				pools.push(
					...served.map((mode) => ({ pool: poolName(version, group, mode), mode, daemon: address })),
				);
			};
			add("long", false, ["plaintext"]);
			add("long", true, ["terminate", "passthrough"]);
			add("short", false, ["plaintext"]);
			add("short", true, ["terminate", "passthrough"]);
		}
		const certificates = makeCertificates(folder);
		return new Pools(
			daemons,
			await startProxy(cleanup, { pools, natsUrl, certificates, folder }),
			certificates,
		);
	}

	/** Where a cell's client connects. */
	target({ row, column }: Cell): Target {
		const group = column.holdSeconds > 0 && column.holdSeconds <= shortHoldSeconds ? "short" : "long";
		const address = this.#addresses.get(poolName(row.daemon, group, column.mode));
		if (address === undefined) throw new Error(`no pool for ${row.daemon}`);
		return { address, tls: column.mode === "plaintext" ? undefined : this.#certificates.client };
	}

	/** Runs daemons while `work` does. */
	async withDaemons(
		which: { readonly version?: string; readonly group: Group },
		work: () => Promise<void>,
	): Promise<void> {
		const cleanup = new Cleanup();
		try {
			const wanted = this.#daemons.filter(
				({ version, group }) => group === which.group && version === (which.version ?? version),
			);
			await Promise.all(
				wanted.map(({ version, address, folder, isTls }) => {
					const tls = isTls ? this.#certificates.daemon : undefined;
					return startBuildkitdProcess(cleanup, { program: buildkitdOf(version), address, folder, tls });
				}),
			);
			await work();
		} finally {
			await cleanup.run();
		}
	}
}

function poolName(version: string, group: Group, mode: Mode): string {
	return `${version.replaceAll(".", "-")}-${group}-${mode}`;
}
