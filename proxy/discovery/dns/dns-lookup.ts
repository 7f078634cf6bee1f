import type { SrvRecord } from "node:dns";
import { Resolver } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import type { Daemon } from "../../daemon.ts";
import { daemonsOfAddresses, daemonsOfServices, maxRecords, type ServiceRecord } from "./dns-daemons.ts";
import type { DnsName } from "./dns-name.ts";
import { fullNames, parseResolvConf, type SearchRules } from "./resolv-conf.ts";

export interface DnsDaemons {
	readonly daemons: readonly Daemon[];
	/** How many records there were; more than `maxRecords` are not used. */
	readonly records: number;
}

export interface DnsLookupOptions {
	/** ADDRESS:PORT each; those of /etc/resolv.conf when left out. */
	readonly servers?: readonly string[];
	/** Those of /etc/resolv.conf when left out. */
	readonly rules?: SearchRules;
}

/** For one server; each is asked twice. */
const queryTimeoutMs = 1_000;
const queryTries = 2;
/** Targets of SRV records that are looked up at once. */
const maxParallel = 16;

/** What a name has. "No such name" and "no such records" are answers; everything else is none. */
type Answer<T> =
	| { readonly t: "records"; readonly records: readonly T[] }
	/** The name exists (NOERROR) or not (NXDOMAIN). */
	| { readonly t: "none"; readonly exists: boolean };

/** The records of a full name. */
type Found =
	| { readonly t: "addresses"; readonly addresses: readonly string[]; readonly port: number }
	/** `domain` is the name without _service._proto. */
	| { readonly t: "services"; readonly services: readonly SrvRecord[]; readonly domain: string };

/**
 * Asks for a pool's daemons. Of node:dns, Resolver: it tells "none" from "not known" and takes no thread, as
 * getaddrinfo (dns.lookup) does. It knows nothing of /etc/hosts and of search domains; the latter are done here.
 */
export class DnsLookup {
	readonly #name: DnsName;
	readonly #options: DnsLookupOptions;
	/** The full name that had records: from then on the others are of no interest. */
	#home: string | undefined;

	constructor(name: DnsName, options: DnsLookupOptions = {}) {
		this.#name = name;
		this.#options = options;
	}

	/** Rejects when it cannot be known, see dns-failure.ts. */
	async resolve(signal: AbortSignal): Promise<DnsDaemons> {
		// A new one each time: it reads the servers once, and a machine may move.
		const resolver = new Resolver({ timeout: queryTimeoutMs, tries: queryTries });
		if (this.#options.servers !== undefined) resolver.setServers(this.#options.servers);
		const cancel = () => resolver.cancel();
		signal.addEventListener("abort", cancel, { once: true });
		try {
			const found = await this.#search(resolver, signal);
			return found === undefined ? { daemons: [], records: 0 } : await this.#daemons(resolver, found);
		} finally {
			signal.removeEventListener("abort", cancel);
		}
	}

	/**
	 * The first full name with records is the one; undefined when none has any. A zone that cannot be asked hides
	 * nothing once another one has said no: search lists end in zones of the network outside, which may be out of reach
	 * for good.
	 */
	async #search(resolver: Resolver, signal: AbortSignal): Promise<Found | undefined> {
		const rules =
			this.#options.rules ?? parseResolvConf(await readFile("/etc/resolv.conf", "utf8").catch(() => ""));
		const candidates = this.#home === undefined ? fullNames(this.#name.name, rules) : [this.#home];
		let failure: { readonly error: unknown } | undefined;
		let answered = false;
		for (const candidate of candidates) {
			try {
				const found = await this.#ask(resolver, candidate);
				if (found !== undefined) {
					this.#home = candidate;
					return found;
				}
				answered = true;
			} catch (error) {
				failure ??= { error };
				if (signal.aborted) break;
			}
		}
		if (!answered && failure !== undefined) throw failure.error;
		return undefined;
	}

	/** Undefined for a name without records. */
	async #ask(resolver: Resolver, full: string): Promise<Found | undefined> {
		if (this.#name.t === "addresses") {
			const answer = await addressesOf(resolver, full);
			if (answer.t === "none") return undefined;
			return { t: "addresses", addresses: answer.records, port: this.#name.port };
		}
		const answer = await query(() => resolver.resolveSrv(full));
		if (answer.t === "none") return undefined;
		const [, , ...domain] = full.split(".");
		return { t: "services", services: answer.records, domain: domain.join(".") };
	}

	/** A target that cannot be looked up is a failure of the whole: its daemon would be missing from the list. */
	async #daemons(resolver: Resolver, found: Found): Promise<DnsDaemons> {
		if (found.t === "addresses") {
			const { addresses, port } = found;
			return { daemons: daemonsOfAddresses(addresses, port), records: addresses.length };
		}
		const used = found.services
			// A port of 0 or a target of "." says that there is no such service here (RFC 2782).
			.filter(({ port, name }) => port > 0 && name !== "" && name !== ".")
			.toSorted((a, b) => (a.name < b.name ? -1 : 1))
			.slice(0, maxRecords);
		const services = await mapParallel(used, async ({ name, port }): Promise<ServiceRecord | undefined> => {
			const target = await addressesOf(resolver, name);
			// A pod that has gone since.
			if (target.t === "none") return undefined;
			const [address] = target.records.toSorted();
			return address === undefined ? undefined : { target: name, port, address };
		});
		const known = services.filter((service) => service !== undefined);
		return { daemons: daemonsOfServices(known, found.domain), records: found.services.length };
	}
}

/** IPv4; IPv6 only where there is none: a pod with both would count twice. */
async function addressesOf(resolver: Resolver, name: string): Promise<Answer<string>> {
	const v4 = await query(() => resolver.resolve4(name));
	// A name that does not exist has no other records either.
	return v4.t === "none" && v4.exists ? await query(() => resolver.resolve6(name)) : v4;
}

async function query<T>(ask: () => Promise<readonly T[]>): Promise<Answer<T>> {
	try {
		const records = await ask();
		return records.length === 0 ? { t: "none", exists: true } : { t: "records", records };
	} catch (error) {
		const code = error instanceof Error && "code" in error ? error.code : undefined;
		if (code === "ENODATA") return { t: "none", exists: true };
		if (code === "ENOTFOUND") return { t: "none", exists: false };
		throw error;
	}
}

async function mapParallel<T, R>(items: readonly T[], map: (item: T) => Promise<R>): Promise<R[]> {
	const results: R[] = [];
	const rest = items.entries();
	const worker = async () => {
		for (const [at, item] of rest) results[at] = await map(item);
	};
	await Promise.all(Array.from({ length: maxParallel }, worker));
	return results;
}
