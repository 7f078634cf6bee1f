import { ScalerError, unreachable } from "../../common/error.ts";
import { programPath } from "../programs.ts";
import type { StateDirectory } from "../state-directory.ts";
import { buildkitdKind, findBuildkitd } from "./buildkitd.ts";
import { dockerKind, findDocker } from "./docker.ts";
import type { DaemonKind } from "./kind.ts";
import { deleteRuncRecords } from "./runc-records.ts";
import { simulatedKind } from "./simulated.ts";

export const daemonChoices = ["auto", "buildkitd", "docker", "simulated"] as const;
export type DaemonChoice = (typeof daemonChoices)[number];

export interface ChosenKind {
	readonly kind: DaemonKind;
	/** What `auto` would have preferred, and why it is not possible here: to be said aloud. */
	readonly notes: readonly string[];
}

/**
 * The kind that was asked for; `auto` takes buildkitd, else docker, else simulated.
 * Rejects with DAEMON_START_FAILED when the kind that was asked for cannot run here.
 * @param path - The PATH to look for programs on.
 */
export async function chooseKind(
	choice: DaemonChoice,
	state: StateDirectory,
	maxDaemons: number,
	path: string = programPath(),
): Promise<ChosenKind> {
	switch (choice) {
		case "buildkitd":
			return { kind: await prepareBuildkitd(state, maxDaemons, path), notes: [] };
		case "docker":
			return { kind: await dockerKind(await findDocker(path), state, maxDaemons), notes: [] };
		case "simulated":
			return { kind: simulatedKind(state), notes: [] };
		case "auto": {
			const notes: string[] = [];
			for (const preferred of ["buildkitd", "docker"] as const) {
				try {
					const { kind } = await chooseKind(preferred, state, maxDaemons, path);
					return { kind, notes };
				} catch (error) {
					notes.push(ScalerError.from(error).message);
				}
			}
			return { kind: simulatedKind(state), notes };
		}
		default:
			return unreachable(choice);
	}
}

async function prepareBuildkitd(
	state: StateDirectory,
	maxDaemons: number,
	path: string,
): Promise<DaemonKind> {
	const programs = findBuildkitd(path);
	// A run that was killed itself could not do it.
	for (let ordinal = 0; ordinal < maxDaemons; ordinal++) {
		await deleteRuncRecords(programs.runc, state.root(ordinal));
	}
	return buildkitdKind(programs, state);
}
