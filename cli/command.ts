import type { CommandSummary } from "./help.ts";
import { type Invocation, loadConfig } from "./load-config.ts";
import type { Config, OptionTable } from "./option.ts";

/** What a running command can be told. */
export interface Running {
	/** The first SIGTERM or SIGINT: builds end first. Resolves when everything has stopped. */
	drain(): Promise<void>;
	/** The second one: ends everything at once. */
	kill(): Promise<void>;
	/** SIGHUP: reads configuration and certificates again. What is wrong with them is logged. */
	reload?(): Promise<void>;
}

/** A subcommand whose options are known to be its own. */
export interface Command extends CommandSummary {
	readonly options: OptionTable;
	/** Whether SIGHUP is a wish to read the configuration again; else it ends the command. */
	readonly reloads?: true;
	/** Reads the configuration (throws CONFIG_INVALID), starts, and returns once it is up. */
	start(invocation: Invocation): Promise<Running>;
}

export function defineCommand<Table extends OptionTable>(
	summary: CommandSummary & Pick<Command, "reloads">,
	options: Table,
	start: (config: Config<Table>) => Promise<Running>,
): Command {
	return { ...summary, options, start: (invocation) => start(loadConfig(options, invocation)) };
}
