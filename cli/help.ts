import { envName, flagName } from "./load-config.ts";
import type { OptionTable } from "./option.ts";

export interface CommandSummary {
	readonly name: string;
	readonly summary: string;
}

/** What `buildkit-scaler --help` prints. */
export function mainHelp(commands: readonly CommandSummary[]): string {
	return [
		"One address for BuildKit: daemons exist only while someone builds.",
		"",
		"Usage: buildkit-scaler COMMAND [options]",
		"",
		...commands.map(({ name, summary }) => `  ${name.padEnd(14)} ${summary}`),
		"",
		"buildkit-scaler COMMAND --help shows a command's options; --version the version.",
		"",
	].join("\n");
}

/** What `buildkit-scaler COMMAND --help` prints: every option with its default and environment variable. */
export function commandHelp({ name, summary }: CommandSummary, table: OptionTable): string {
	const lines = [
		summary,
		"",
		`Usage: buildkit-scaler ${name} [options]`,
		"",
		"Options (flags before environment before file):",
	];
	for (const [key, option] of Object.entries(table)) {
		const { envFirst: first } = option;
		const standard = option.required
			? "required"
			: option.defaultText === undefined
				? "none"
				: option.defaultText;
		lines.push(
			`  ${flagName(key)} ${option.placeholder}`,
			`      ${option.description}`,
			`      default: ${standard}   env: ${envName(key)}${first === undefined ? "" : `   before the flag: ${first}`}`,
		);
	}
	lines.push(
		"  --config FILE",
		"      YAML file with the same options in camelCase, e.g. maxWait: 5m",
		`      default: none   env: ${envName("config")}`,
		"  --help",
		"",
		"Exit codes: 0 stopped cleanly, 1 failed (one line says why), 2 wrong usage.",
		"",
	);
	return lines.join("\n");
}
