import type { DaemonAddress } from "../../proxy/daemon.ts";

/** How daemons are run on this machine. One file of this folder for each. */
export interface DaemonKind {
	readonly t: "buildkitd" | "docker" | "simulated";
	/** For people, with the program's path or image. */
	describe(): string;
	/** Where the daemon of this ordinal listens; the same after a restart. */
	address(ordinal: number): DaemonAddress;
	/** Starts a daemon. Throws DAEMON_START_FAILED, or answers with a process whose `exit` tells why. */
	spawn(ordinal: number): DaemonProcess;
}

/** One run of a daemon. */
export interface DaemonProcess {
	/** Resolves when nothing of it is left: the daemon, its containers, its mounts. Never rejects. */
	readonly exit: Promise<DaemonExit>;
	/** Asks it to end (SIGTERM). buildkitd lets its builds finish. */
	terminate(): void;
	/** Ends it at once, with everything it started. */
	kill(): void;
}

export interface DaemonExit {
	/** "exit code 1", "SIGKILL", "spawn … ENOENT". */
	readonly how: string;
	/** The end of its log, for whoever asks why. */
	readonly lastLines: readonly string[];
}

/** The daemons are named like the pods of a StatefulSet. */
export function daemonName(ordinal: number): string {
	return `buildkitd-${ordinal}`;
}
