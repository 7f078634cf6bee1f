import { isDeepStrictEqual } from "node:util";
import { ScalerError } from "../../common/error.ts";
import type { TlsFiles } from "../../common/tls-credentials.ts";
import type { DaemonSource } from "../daemon.ts";
import type { ClientAuth } from "../tls/terminator.ts";
import type { PoolOptions } from "./pool-options.ts";

/** How a pool's clients speak. */
export type ClientTls =
	| { readonly t: "off" }
	/** TLS ends here; `files` has our certificate and, for client certificates, their CA. */
	| {
			readonly t: "terminate";
			readonly files: TlsFiles;
			readonly clientAuth: ClientAuth;
			/** Names of clients that may use the pool, with `*` for anything (tls/identity.ts); empty: all. */
			readonly allowClients: readonly string[];
	  }
	/** TLS ends at the daemons. */
	| { readonly t: "passthrough" };

/** How daemons are spoken to. */
interface DaemonTls {
	/** Our client certificate, where daemons want one, and the CA of theirs. */
	readonly files: TlsFiles;
	/** What their certificates name, if not the address that is connected to. */
	readonly serverName: string | undefined;
}

/** All that makes one pool, as plain data: two of them are compared to see what a reload changes. */
export interface PoolSettings<Source = unknown>
	extends Omit<PoolOptions, "proxy" | "incarnation" | "admin" | "limits"> {
	readonly listen: { readonly host: string; readonly port: number };
	/** TLS server names that are this pool's on its address; empty: every one, and clients that name none. */
	readonly serverNames: readonly string[];
	readonly tls: ClientTls;
	/** Undefined: plaintext. */
	readonly daemonTls: DaemonTls | undefined;
	/** Where its daemons come from; `OpenSource` understands it. */
	readonly source: Source;
}

export interface OpenedSource {
	readonly source: DaemonSource;
	close(): void;
}

/** Starts to look for a pool's daemons. Throws CONFIG_INVALID. */
export type OpenSource<Source> = (settings: PoolSettings<Source>) => Promise<OpenedSource>;

/** A pool's name among all pools. */
export function poolKey({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
	return `${namespace}/${name}`;
}

export function addressKey({ listen }: PoolSettings): string {
	return `${listen.host}:${listen.port}`;
}

export function isSame(a: unknown, b: unknown): boolean {
	return isDeepStrictEqual(a, b);
}

/** Throws CONFIG_INVALID when the pools cannot stand side by side: each has a name and a way in of its own. */
export function checkPools(pools: readonly PoolSettings[]): void {
	const names = new Set<string>();
	/** By address: whose the server names are; "" is every name. */
	const addresses = new Map<string, Map<string, string>>();
	for (const settings of pools) {
		const pool = poolKey(settings);
		if (names.has(pool)) throw invalid(`pool ${pool} is there twice`);
		names.add(pool);
		const address = addressKey(settings);
		const others = addresses.get(address) ?? new Map<string, string>();
		addresses.set(address, others);
		const [other] = others.values();
		if (settings.tls.t === "off" && settings.serverNames.length > 0) {
			throw invalid(`pool ${pool} has server names, which only TLS clients say, but no TLS`);
		}
		// Port 0 is another port for each.
		if (settings.listen.port === 0) continue;
		if (other !== undefined && (settings.tls.t === "off" || others.has("plaintext"))) {
			throw invalid(`pools ${other} and ${pool} share ${address}, which takes TLS and server names on both`);
		}
		const taken =
			settings.tls.t === "off"
				? ["plaintext"]
				: settings.serverNames.length > 0
					? settings.serverNames
					: [""];
		for (const name of taken) {
			const owner = others.get(name);
			if (owner !== undefined) {
				const what = name === "" ? "clients of any server name" : `server name ${name}`;
				throw invalid(`pools ${owner} and ${pool} both want ${what} on ${address}`);
			}
			others.set(name, pool);
		}
	}
}

function invalid(why: string): ScalerError {
	return new ScalerError("CONFIG_INVALID", why);
}
