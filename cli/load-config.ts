import { readFileSync } from "node:fs";
import { parse as parseYaml } from "yaml";
import { ScalerError } from "../common/error.ts";
import type { Config, OptionTable } from "./option.ts";

/** A value as somebody wrote it, and where, so that an error can point there. */
interface Given {
	readonly where: string;
	readonly value: unknown;
}

export function flagName(key: string): string {
	return `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

export function envName(key: string): string {
	return `BUILDKIT_SCALER_${key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** What was written on the command line and around it. */
export interface Invocation {
	readonly argv: readonly string[];
	readonly env: Readonly<Record<string, string | undefined>>;
}

/** What of a value that was given where, first come first taken. */
type Lookup = (key: string) => Given | undefined;

/** The key of the file whose value is a list of pools. */
const listKey = "pools";

/**
 * Reads a command's configuration: flags before environment before the YAML file of --config before defaults.
 * Throws CONFIG_INVALID with one line that names the field and what it must be.
 */
export function loadConfig<Table extends OptionTable>(
	table: Table,
	{ argv, env }: Invocation,
): Config<Table> {
	const { lookup, path, list } = readAll(table, argv, env);
	if (list !== undefined)
		throw invalid(`${path}: ${listKey} is not an option (${Object.keys(table).join(", ")})`);
	return resolve(table, lookup);
}

/**
 * The same for a command that can have several pools: `shared` is said once, and `pool` for each item of the list
 * `pools` in the file, for which everything said outside of the list is the default. Without the list there is one pool.
 */
export function loadPools<Shared extends OptionTable, Pool extends OptionTable>(
	shared: Shared,
	pool: Pool,
	{ argv, env }: Invocation,
): {
	readonly shared: Config<Shared>;
	readonly pools: readonly Config<Pool>[];
	readonly path: string | undefined;
} {
	const { lookup, path, list } = readAll({ ...shared, ...pool }, argv, env);
	const pools = list?.map((item, at) => {
		const own = readMapping(Object.keys(pool), item, `${path}: ${listKey}[${at}]`);
		return resolve(pool, (key) => own.get(key) ?? lookup(key));
	});
	return { shared: resolve(shared, lookup), pools: pools ?? [resolve(pool, lookup)], path };
}

function readAll(
	table: OptionTable,
	argv: readonly string[],
	env: Readonly<Record<string, string | undefined>>,
): {
	readonly lookup: Lookup;
	readonly path: string | undefined;
	readonly list: readonly unknown[] | undefined;
} {
	const keys = Object.keys(table);
	const flags = readFlags(table, argv);
	const configPath = flags.get("config")?.value ?? env[envName("config")];
	const path = configPath === undefined ? undefined : String(configPath);
	const content = path === undefined ? {} : readFile(path);
	const list = content[listKey];
	if (list !== undefined && (!Array.isArray(list) || list.length === 0)) {
		throw invalid(`${path}: ${listKey}: must be a list of pools`);
	}
	const { [listKey]: _, ...rest } = content;
	const file = readMapping(keys, rest, `${path}`);
	const lookup = (key: string) => {
		const { envFirst } = table[key] ?? {};
		return (
			(envFirst === undefined ? undefined : fromEnv(env, envFirst)) ??
			flags.get(key) ??
			fromEnv(env, envName(key)) ??
			file.get(key)
		);
	};
	return { lookup, path, list };
}

/** An empty variable is none. */
function fromEnv(env: Invocation["env"], name: string): Given | undefined {
	const value = env[name];
	return value === undefined || value === "" ? undefined : { where: name, value };
}

function resolve<Table extends OptionTable>(table: Table, lookup: Lookup): Config<Table> {
	const config: Record<string, unknown> = {};
	for (const [key, option] of Object.entries(table)) {
		const given =
			lookup(key) ??
			(option.defaultText === undefined ? undefined : { where: "default", value: option.defaultText });
		if (given === undefined) {
			if (option.required) throw invalid(`${flagName(key)} is required: ${option.description}`);
			continue;
		}
		const text = asText(given.value);
		const value = text === undefined ? undefined : option.kind.parse(text.trim());
		if (value === undefined) {
			const not = text === undefined || option.kind.secret ? "" : `, not "${text.slice(0, 60)}"`;
			throw invalid(`${given.where}: must be ${option.kind.mustBe}${not}`);
		}
		config[key] = value;
	}
	// Complete: each key of the table was set above, or is optional and was not given.
	return Object.freeze(config) as Config<Table>;
}

function readFlags(table: OptionTable, argv: readonly string[]): Map<string, Given> {
	const keyOf = new Map([...Object.keys(table), "config"].map((key) => [flagName(key), key]));
	const given = new Map<string, Given>();
	for (let at = 0; at < argv.length; at++) {
		const word = argv[at] ?? "";
		const equals = word.indexOf("=");
		const name = equals === -1 ? word : word.slice(0, equals);
		const key = keyOf.get(name) ?? oneDashKey(table, keyOf, name);
		if (key === undefined) {
			throw invalid(
				word.startsWith("-")
					? `${name} is not an option; see --help`
					: `"${word}" is not expected; see --help`,
			);
		}
		if (given.has(key)) throw invalid(`${name} is given twice`);
		const bare = table[key]?.kind.bare;
		const isBare = bare !== undefined && equals === -1 && !/^[^-]/.test(argv[at + 1] ?? "");
		const value = isBare ? bare : equals === -1 ? argv[++at] : word.slice(equals + 1);
		if (value === undefined || value === "") throw invalid(`${name} needs a value`);
		given.set(key, { where: name, value });
	}
	return given;
}

/** `-name` for an option of a program whose flags may be written so. */
function oneDashKey(
	table: OptionTable,
	keyOf: ReadonlyMap<string, string>,
	name: string,
): string | undefined {
	const key = keyOf.get(`-${name}`);
	return key !== undefined && table[key]?.envFirst !== undefined ? key : undefined;
}

function readFile(path: string): Readonly<Record<string, unknown>> {
	let content: unknown;
	try {
		content = parseYaml(readFileSync(path, "utf8"));
	} catch (cause) {
		const [why] = ScalerError.from(cause).message.split("\n");
		throw invalid(`--config ${path}: ${why}`, cause);
	}
	// An empty file is an empty configuration.
	return asMapping(content ?? {}, `--config ${path}`);
}

function asMapping(content: unknown, where: string): Readonly<Record<string, unknown>> {
	if (typeof content !== "object" || content === null || Array.isArray(content)) {
		throw invalid(`${where}: must be a mapping of options to values`);
	}
	return Object.fromEntries(Object.entries(content));
}

function readMapping(keys: readonly string[], content: unknown, where: string): Map<string, Given> {
	const given = new Map<string, Given>();
	for (const [key, value] of Object.entries(asMapping(content, where))) {
		if (!keys.includes(key)) throw invalid(`${where}: ${key} is not an option (${keys.join(", ")})`);
		given.set(key, { where: `${where}: ${key}`, value });
	}
	return given;
}

/** Text of a scalar or, comma-separated, of a YAML list; undefined for anything else. */
function asText(value: unknown): string | undefined {
	if (["string", "number", "boolean"].includes(typeof value)) return String(value);
	return Array.isArray(value) && value.every((item) => typeof item === "string")
		? value.join(",")
		: undefined;
}

function invalid(message: string, cause?: unknown): ScalerError {
	return new ScalerError("CONFIG_INVALID", message, { cause });
}
