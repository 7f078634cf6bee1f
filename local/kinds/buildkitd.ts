import { rmSync } from "node:fs";
import { ScalerError } from "../../common/error.ts";
import { catchesSigterm, childrenOf, signalProcess } from "../processes.ts";
import { findProgram, programPath } from "../programs.ts";
import type { StateDirectory } from "../state-directory.ts";
import { type ChildSignals, startChild } from "./child.ts";
import { type DaemonExit, type DaemonKind, daemonName } from "./kind.ts";
import { deleteRuncRecords } from "./runc-records.ts";

export interface BuildkitdPrograms {
	readonly buildkitd: string;
	readonly runc: string;
	/** util-linux. */
	readonly unshare: string;
}

/** The programs it takes. Throws DAEMON_START_FAILED with what is missing on this machine, and what would help. */
export function findBuildkitd(path: string = programPath()): BuildkitdPrograms {
	const missing = (what: string) =>
		new ScalerError("DAEMON_START_FAILED", `cannot run buildkitd here: ${what}`);
	if (process.platform !== "linux") throw missing("it needs Linux");
	const need = (name: string, hint: string) => {
		const program = findProgram(name, path);
		if (program === undefined) throw missing(`${name} is not on PATH (${hint})`);
		return program;
	};
	const programs = {
		buildkitd: need("buildkitd", "in this project's folder, npm run tools builds it"),
		runc: need("runc", "Debian package runc"),
		unshare: need("unshare", "Debian package util-linux"),
	};
	if (process.getuid?.() !== 0) {
		throw missing("it needs root; use sudo, or run this command inside rootlesskit");
	}
	return programs;
}

/**
 * Each daemon has a PID and a mount namespace of its own, whose first process it is. Killing it therefore ends, by
 * the kernel's word, everything it started (RUN steps live in sessions and cgroups of their own and outlive a daemon
 * that was killed), and takes its overlay mounts along.
 */
export function buildkitdArgs(program: string, address: string, root: string): string[] {
	return [
		...["--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "slave", "--"],
		...[program, "--addr", address, "--root", root],
		...["--oci-worker=true", "--oci-worker-net=host", "--containerd-worker=false"],
	];
}

/** Signals go past `unshare` to the daemon: unshare's own exit, after it, tells that the namespace is empty. */
export const namespaceSignals: ChildSignals = { terminate: terminateNamespace, kill: killNamespace };

function terminateNamespace(pid: number): void {
	const [daemon] = childrenOf(pid);
	// The first process of a namespace does not get a signal it has no handler for. One that has not come that far
	// has no builds either.
	if (daemon !== undefined && catchesSigterm(daemon)) signalProcess(daemon, "SIGTERM");
	else killNamespace(pid);
}

function killNamespace(pid: number): void {
	const [daemon] = childrenOf(pid);
	// Without a child yet, the group is unshare and what it may be forking right now.
	signalProcess(daemon ?? -pid, "SIGKILL");
}

/** buildkitd as a child process, on a unix socket, with runc and the host's network. */
export function buildkitdKind(programs: BuildkitdPrograms, state: StateDirectory): DaemonKind {
	const { buildkitd, runc, unshare } = programs;
	return {
		t: "buildkitd",
		describe: () => `buildkitd (${buildkitd})`,
		address: (ordinal) => ({ t: "unix", path: state.socket(ordinal) }),
		spawn(ordinal) {
			const socket = state.socket(ordinal);
			// A killed daemon leaves its socket: a client should find none until this one listens.
			rmSync(socket, { force: true });
			const child = startChild(
				{
					program: unshare,
					args: buildkitdArgs(buildkitd, `unix://${socket}`, state.root(ordinal)),
					path: programPath(),
					logFile: state.log(daemonName(ordinal)),
					pidFile: state.pid(daemonName(ordinal)),
				},
				namespaceSignals,
			);
			const exit = child.exit.then(async (ended) => {
				await deleteRuncRecords(runc, state.root(ordinal));
				return withoutUnshare(ended);
			});
			return { ...child, exit };
		},
	};
}

/** util-linux 2.38 (Debian 12) fails to hand on the signal that ended its child, and complains in the daemon's log. */
function withoutUnshare(exit: DaemonExit): DaemonExit {
	const lastLines = exit.lastLines.filter((line) => !line.startsWith("unshare: sigprocmask"));
	const isSignal = lastLines.length < exit.lastLines.length;
	return { how: isSignal ? "killed by a signal" : exit.how, lastLines };
}
