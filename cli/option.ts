import { networkInterfaces } from "node:os";
import { nameSchema } from "../events/schema.ts";

/** How a value is written, and what it becomes. */
export interface Kind<T> {
	/** Completes "must be ..." in an error. */
	readonly mustBe: string;
	/** Undefined for a text that is not such a value. */
	readonly parse: (text: string) => T | undefined;
	/** May hold a credential: never repeated in an error or a log. */
	readonly secret?: true;
}

/** One thing a user configures: the same in flags (`--max-wait`), environment and file (`maxWait`). */
interface Option<T> {
	readonly kind: Kind<T>;
	/** What a user would have written; shown by --help. Without it the option has no value unless given. */
	readonly defaultText?: string;
	readonly required?: true;
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

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
/** setTimeout's limit, about 24 days. */
const maxDurationMs = 2 ** 31 - 1;

/** A duration such as 500ms, 30s, 5m, 1h30m (Go's time.ParseDuration without signs), in ms. */
export const duration: Kind<number> = {
	mustBe: "a duration such as 30s, 5m or 1h30m, at most 24 days",
	parse(text) {
		if (text === "0") return 0;
		if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined;
		let totalMs = 0;
		for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
			totalMs += Number(amount) * (unitMs[unit ?? ""] ?? Number.NaN);
		}
		return totalMs <= maxDurationMs ? Math.round(totalMs) : undefined;
	},
};

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
	mustBe: "true or false",
	parse: (text) => (text === "true" ? true : text === "false" ? false : undefined),
};

export function choice<const T extends string>(choices: readonly T[]): Kind<T> {
	return {
		mustBe: `one of ${choices.join(", ")}`,
		parse: (text) => choices.find((candidate) => candidate === text),
	};
}

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
