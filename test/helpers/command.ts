/** How a child is run. */
export interface Confines {
	/** The only core that it may use; undefined for those of its parent. */
	readonly core?: number | undefined;
}

interface Command {
	readonly program: string;
	readonly args: readonly string[];
}

/** Of util-linux, which every Linux has. */
export const taskset = "taskset";

/** The command that runs this one within its confines, in the same process. */
export function confined({ program, args }: Command, { core }: Confines): Command {
	if (core === undefined) return { program, args };
	return { program: taskset, args: ["--cpu-list", `${core}`, program, ...args] };
}
