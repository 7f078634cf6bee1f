import { networkInterfaces } from "node:os";
import { nameSchema } from "../events/schema.ts";
import { type DnsName, parseDnsName } from "../proxy/discovery/dns/dns-name.ts";

/** How a value is written, and what it becomes. */
export interface Kind<T> {
	/** Completes "must be ..." in an error. */
	readonly mustBe: string;
	/** Undefined for a text that is not such a value. */
	readonly parse: (text: string) => T | undefined;
	/** May hold a credential: never repeated in an error or a log. */
	readonly secret?: true;
	/** What a flag without a value means; without it the flag needs one. */
	readonly bare?: string;
}

/** One thing a user configures: the same in flags (`--max-wait`), environment and file (`maxWait`). */
interface Option<T> {
	readonly kind: Kind<T>;
	/** What a user would have written; shown by --help. Without it the option has no value unless given. */
	readonly defaultText?: string;
	readonly required?: true;
	/**
	 * An environment variable that goes before the flag, and the flag may have one dash: so it is in the program that the
	 * option comes from.
	 */
	readonly envFirst?: string;
	/** Stands for the value in --help, e.g. HOST:PORT. */
	readonly placeholder: string;
	readonly description: string;
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>;

/** The configuration that a table describes, complete and read-only. */
export type Config<Table extends OptionTable> = {
	readonly [K in keyof Table]: ValueOf<Table[K]> | MissingUnlessGiven<Table[K]>;
};
type ValueOf<O> = O extends Option<infer T> ? T : never;
type MissingUnlessGiven<O> = O extends { defaultText: string } | { required: true } ? never : undefined;

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** setTimeout's limit, about 24 days. */
const maxTimerMs = 2 ** 31 - 1;
const hundredYearsMs = 36_525 * 86_400_000;

/** A duration such as 500ms, 30s, 5m, 1h30m (Go's time.ParseDuration without signs), in ms. */
export const duration: Kind<number> = {
	mustBe: "a duration such as 30s, 5m or 1h30m, at most 24 days",
	parse: (text) => durationOf(text, "ms|s|m|h", maxTimerMs),
};

/** For what a pause between two heartbeats of a build must not reach. */
export const longDuration: Kind<number> = {
	mustBe: "a duration such as 5m, at least 30s, at most 24 days",
	parse(text) {
		const durationMs = duration.parse(text);
		return durationMs === undefined || durationMs < 30_000 ? undefined : durationMs;
	},
};

/** How old something may be: no timer waits for it, and it may have days. In ms. */
export const age: Kind<number> = {
	mustBe: "a duration such as 30m, 12h or 7d, above 0",
	parse: (text) => durationOf(text, "ms|s|m|h|d", hundredYearsMs) || undefined,
};

function durationOf(text: string, units: string, maxMs: number): number | undefined {
	if (text === "0") return 0;
	if (!new RegExp(`^(\\d+(\\.\\d+)?(${units}))+$`).test(text)) return undefined;
	let totalMs = 0;
	for (const [, amount, unit] of text.matchAll(new RegExp(`(\\d+(?:\\.\\d+)?)(${units})`, "g"))) {
		totalMs += Number(amount) * (unitMs[unit ?? ""] ?? Number.NaN);
	}
	return totalMs <= maxMs ? Math.round(totalMs) : undefined;
}

export interface HostPort {
	readonly host: string;
	readonly port: number;
}

function parseHostPort(text: string, minPort: number): HostPort | undefined {
	const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]*)):(\d{1,5})$/.exec(text);
	if (match === null) return undefined;
	const [, ipv6, name, digits] = match;
	const port = Number(digits);
	const host = ipv6 ?? name ?? "";
	return port < minPort || port > 65_535 ? undefined : { host, port };
}

/** Where to listen: HOST:PORT, [IPV6]:PORT or :PORT for every interface; port 0 lets the system choose. */
export const listenAddress: Kind<HostPort> = {
	mustBe: "HOST:PORT, such as 127.0.0.1:1234",
	parse(text) {
		const address = parseHostPort(text, 0);
		return address?.host === "" ? { ...address, host: everyInterface() } : address;
	},
};

/** "::" takes IPv4 too; where IPv6 is switched off, as on some nodes, it cannot be listened on at all. */
function everyInterface(): string {
	const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
	return addresses.some(({ family }) => family === "IPv6") ? "::" : "0.0.0.0";
}

/** Where others reach a server of ours. */
export const advertisedAddress: Kind<HostPort> = {
	mustBe: "HOST:PORT, such as 10.0.0.7:8081",
	parse(text) {
		const address = parseHostPort(text, 1);
		return address?.host === "" ? undefined : address;
	},
};

/** Servers to connect to: HOST:PORT, comma-separated (a list in YAML). */
export const hostPorts: Kind<readonly HostPort[]> = {
	mustBe: "HOST:PORT[,HOST:PORT...]",
	parse(text) {
		const addresses: HostPort[] = [];
		for (const item of text.split(",")) {
			const address = parseHostPort(item.trim(), 1);
			if (address === undefined || address.host === "") return undefined;
			addresses.push(address);
		}
		return addresses;
	},
};

/** A port of a Service: its name, or the number that the pods listen on. */
export const portNameOrNumber: Kind<string | number> = {
	mustBe: "a port's name or a number from 1 to 65535",
	parse(text) {
		return /^\d+$/.test(text) ? integer(1, 65_535).parse(text) : name.parse(text);
	},
};

/** The Service of a pool's proxies. */
export interface PoolService {
	readonly namespace: string;
	readonly pool: string;
	readonly service: string;
}

/** NAMESPACE/POOL=SERVICE, comma-separated (a list in YAML): the proxies of a pool, by a Service in its namespace. */
export const poolServices: Kind<readonly PoolService[]> = {
	mustBe: "NAMESPACE/POOL=SERVICE[,...], each pool once",
	parse(text) {
		const services: PoolService[] = [];
		for (const item of text.split(",")) {
			const [, namespace = "", pool = "", service = ""] =
				/^([^/=]+)\/([^/=]+)=([^/=]+)$/.exec(item.trim()) ?? [];
			if ([namespace, pool, service].some((given) => name.parse(given) === undefined)) return undefined;
			if (services.some((known) => known.namespace === namespace && known.pool === pool)) return undefined;
			services.push({ namespace, pool, service });
		}
		return services;
	},
};

/** Servers behind a name in DNS: by address, or with SRV records. */
export const dnsName: Kind<DnsName> = {
	mustBe: "NAME:PORT, or _service._tcp.NAME for SRV records",
	parse: parseDnsName,
};

export function integer(min: number, max: number): Kind<number> {
	return {
		mustBe: `a whole number from ${min} to ${max}`,
		parse(text) {
			const value = Number(text);
			return /^\d+$/.test(text) && value >= min && value <= max ? value : undefined;
		},
	};
}

export const boolean: Kind<boolean> = {
	bare: "true",
	mustBe: "true or false",
	parse: (text) => (text === "true" ? true : text === "false" ? false : undefined),
};

export function choice<const T extends string>(choices: readonly T[]): Kind<T> {
	return {
		mustBe: `one of ${choices.join(", ")}`,
		parse: (text) => choices.find((candidate) => candidate === text),
	};
}

const unitBytes: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** An amount of memory, such as 64MiB, in bytes. */
export const size: Kind<number> = {
	mustBe: "a size such as 512KiB, 64MiB or 1GiB",
	parse(text) {
		const [, amount, unit = ""] = /^([1-9]\d{0,5})(KiB|MiB|GiB)$/.exec(text) ?? [];
		return amount === undefined ? undefined : Number(amount) * (unitBytes[unit] ?? Number.NaN);
	},
};

/** An HTTP server of somebody else. */
export const httpUrl: Kind<string> = {
	secret: true,
	mustBe: "a URL such as http://collector:4318",
	parse(text) {
		if (!URL.canParse(text)) return undefined;
		return ["http:", "https:"].includes(new URL(text).protocol) ? text : undefined;
	},
};

export const natsUrl: Kind<string> = {
	secret: true,
	mustBe: "a URL such as nats://127.0.0.1:4222",
	parse(text) {
		if (!URL.canParse(text)) return undefined;
		return ["nats:", "tls:"].includes(new URL(text).protocol) ? text : undefined;
	},
};

/** A namespace or pool name: a NATS subject token and a metric label (events/schema.ts). */
export const name: Kind<string> = {
	mustBe: "a DNS label: up to 63 lower-case letters, digits and '-'",
	parse: (text) => (nameSchema.safeParse(text).success ? text : undefined),
};

export const text: Kind<string> = { mustBe: "a text", parse: (given) => (given === "" ? undefined : given) };

/** Names, comma-separated (a list in YAML). */
export const names: Kind<readonly string[]> = {
	mustBe: "names, separated by commas",
	parse(given) {
		const list = given.split(",").map((item) => item.trim());
		return list.includes("") ? undefined : list;
	},
};
