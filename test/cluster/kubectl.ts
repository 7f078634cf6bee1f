import { findProgram } from "../tools/programs.ts";
import { runCommand } from "../tools/run-command.ts";
import { dirs, files } from "./layout.ts";

export interface CommandInput {
	/** Given to the command's standard input, e.g. a manifest for `apply -f -`. */
	readonly stdin?: string;
}

/** Runs kubectl as the cluster's administrator and gives its stdout; a failure throws with its stderr. */
export function kubectl(args: readonly string[], input: CommandInput = {}): Promise<string> {
	return runCommand(findProgram("kubectl"), args, { ...input, env: clientEnv() });
}

/** Runs helm on the cluster; caches and settings of its user are neither read nor written. */
export function helm(args: readonly string[], input: CommandInput = {}): Promise<string> {
	return runCommand(findProgram("helm"), args, { ...input, env: clientEnv() });
}

/** The caller's environment, pointed at the cluster. */
export function clientEnv(): NodeJS.ProcessEnv {
	const helmDirs = {
		HELM_CACHE_HOME: `${dirs.helm}/cache`,
		HELM_CONFIG_HOME: `${dirs.helm}/config`,
		HELM_DATA_HOME: `${dirs.helm}/data`,
	};
	return { ...process.env, ...helmDirs, KUBECONFIG: files.kubeconfig, KUBECACHEDIR: `${dirs.root}/kubectl` };
}
