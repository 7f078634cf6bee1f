import { spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, readSync, rmSync } from "node:fs";
import { ScalerError } from "../../common/error.ts";
import { writeIdentity } from "../identity-file.ts";
import { identifyProcess, signalProcess } from "../processes.ts";
import type { DaemonExit, DaemonProcess } from "./kind.ts";

export interface ChildCommand {
	readonly program: string;
	readonly args: readonly string[];
	/** PATH for the child. */
	readonly path: string;
	/** Takes its standard output and error; emptied first. */
	readonly logFile: string;
	/** Holds its pid while it runs, for `endLeftovers`. */
	readonly pidFile: string;
}

/** How a child is told to end, given its pid. */
export interface ChildSignals {
	terminate(pid: number): void;
	kill(pid: number): void;
}

/** For a child that starts no process group of its own. */
export const groupSignals: ChildSignals = {
	terminate: (pid) => void signalProcess(-pid, "SIGTERM"),
	kill: (pid) => void signalProcess(-pid, "SIGKILL"),
};

/** Starts a daemon as a child process. Throws DAEMON_START_FAILED when its log cannot be written. */
export function startChild(command: ChildCommand, signals: ChildSignals): DaemonProcess {
	const { program, args, path, logFile, pidFile } = command;
	const log = openLog(logFile);
	const child = spawn(program, args, {
		// Its own process group: a terminal's Ctrl-C is for us, who let builds finish, and not for the daemon.
		detached: true,
		// A file and not a pipe: the daemon can always write, however busy or dead we are.
		stdio: ["ignore", log, log],
		env: { ...process.env, PATH: path },
	});
	closeSync(log);
	const { pid } = child;
	if (pid !== undefined) writeIdentity(pidFile, identifyProcess(pid));
	const exit = new Promise<DaemonExit>((resolve) => {
		const ended = (how: string) => {
			rmSync(pidFile, { force: true });
			resolve({ how, lastLines: lastLines(logFile) });
		};
		child.once("exit", (code, signal) => ended(signal ?? `exit code ${code}`));
		child.once("error", (error) => {
			if (pid === undefined) ended(error.message);
		});
	});
	// After its exit a pid may be another's; Node knows of the exit before anybody else can get the pid.
	const whileAlive = (send: (pid: number) => void) => () => {
		if (pid !== undefined && child.exitCode === null && child.signalCode === null) send(pid);
	};
	return { exit, terminate: whileAlive(signals.terminate), kill: whileAlive(signals.kill) };
}

function openLog(path: string): number {
	try {
		return openSync(path, "w", 0o600);
	} catch (cause) {
		const why = ScalerError.from(cause).message;
		throw new ScalerError("DAEMON_START_FAILED", `the daemon's log: ${why}`, { cause });
	}
}

function lastLines(path: string): string[] {
	const buffer = Buffer.alloc(4_096);
	try {
		const log = openSync(path, "r");
		try {
			const from = Math.max(fstatSync(log).size - buffer.length, 0);
			const length = readSync(log, buffer, 0, buffer.length, from);
			const lines = buffer.toString("utf8", 0, length).split("\n");
			return lines.filter((line) => line !== "").slice(-5);
		} finally {
			closeSync(log);
		}
	} catch {
		// Only ever a help for people: without it the exit is reported all the same.
		return [];
	}
}
