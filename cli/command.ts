import type { CommandSummary } from "./help.ts";
import { loadConfig } from "./load-config.ts";
import type { Config, OptionTable } from "./option.ts";

/** What a running command can be told. */
export interface Running {
	/** The first SIGTERM or SIGINT: builds end first. Resolves when everything has stopped. */
	drain(): Promise<void>;
	/** The second one: ends everything at once. */
	kill(): Promise<void>;
}

/** A subcommand whose options are known to be its own. */
export interface Command extends CommandSummary {
	readonly options: OptionTable;
	/** Reads the configuration (throws CONFIG_INVALID), starts, and returns once it is up. */
	start(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<Running>;
}

export function defineCommand<Table extends OptionTable>(
	summary: CommandSummary,
	options: Table,
	start: (config: Config<Table>) => Promise<Running>,
): Command {
	return { ...summary, options, start: (argv, env) => start(loadConfig(options, argv, env)) };
}
