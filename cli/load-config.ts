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

/**
 * Reads a command's configuration: flags before environment before the YAML file of --config before defaults.
 * Throws CONFIG_INVALID with one line that names the field and what it must be.
 */
export function loadConfig<Table extends OptionTable>(
	table: Table,
	argv: readonly string[],
	env: Readonly<Record<string, string | undefined>>,
): Config<Table> {
	const keys = Object.keys(table);
	const flags = readFlags(keys, argv);
	const configPath = flags.get("config")?.value ?? env[envName("config")];
	const file = configPath === undefined ? new Map<string, Given>() : readFile(keys, String(configPath));
	const config: Record<string, unknown> = {};
	for (const [key, option] of Object.entries(table)) {
		const fromEnv = env[envName(key)];
		const given =
			flags.get(key) ??
			(fromEnv === undefined || fromEnv === "" ? undefined : { where: envName(key), value: fromEnv }) ??
			file.get(key) ??
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

function readFlags(keys: readonly string[], argv: readonly string[]): Map<string, Given> {
	const keyOf = new Map([...keys, "config"].map((key) => [flagName(key), key]));
	const given = new Map<string, Given>();
	for (let at = 0; at < argv.length; at++) {
		const word = argv[at] ?? "";
		const equals = word.indexOf("=");
		const name = equals === -1 ? word : word.slice(0, equals);
		const key = keyOf.get(name);
		if (key === undefined) {
			throw invalid(
				word.startsWith("-")
					? `${name} is not an option; see --help`
					: `"${word}" is not expected; see --help`,
			);
		}
		if (given.has(key)) throw invalid(`${name} is given twice`);
		const value = equals === -1 ? argv[++at] : word.slice(equals + 1);
		if (value === undefined || value === "") throw invalid(`${name} needs a value`);
		given.set(key, { where: name, value });
	}
	return given;
}

function readFile(keys: readonly string[], path: string): Map<string, Given> {
	let content: unknown;
	try {
		content = parseYaml(readFileSync(path, "utf8"));
	} catch (cause) {
		const [why] = ScalerError.from(cause).message.split("\n");
		throw invalid(`--config ${path}: ${why}`, cause);
	}
	// An empty file is an empty configuration.
	const mapping = content ?? {};
	if (typeof mapping !== "object" || Array.isArray(mapping)) {
		throw invalid(`--config ${path}: must be a mapping of options to values`);
	}
	const given = new Map<string, Given>();
	for (const [key, value] of Object.entries(mapping)) {
		if (!keys.includes(key)) throw invalid(`${path}: ${key} is not an option (${keys.join(", ")})`);
		given.set(key, { where: `${path}: ${key}`, value });
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
