import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { ScalerError } from "../common/error.ts";
import { takeLock } from "./state-lock.ts";

/** sockaddr_un.sun_path is 108 bytes with its final NUL (unix(7)); longer paths would be cut, not refused. */
export const maxSocketPathBytes = 107;

/** Where `buildkit-scaler local` keeps its daemons' files; one run at a time. */
export interface StateDirectory {
	readonly path: string;
	/** Pid files: who to end when we were killed before we could. */
	readonly pids: string;
	socket(ordinal: number): string;
	/** buildkitd's --root, which holds the build cache and so outlives the daemon. */
	root(ordinal: number): string;
	log(daemonName: string): string;
	pid(daemonName: string): string;
	/** Another run may use it now. */
	release(): void;
}

/**
 * Creates what is missing of it and locks it. Throws CONFIG_INVALID for a path that cannot be used for `maxDaemons`
 * daemons, and STATE_DIR_IN_USE while another run holds it.
 */
export function openStateDirectory(stateDir: string, maxDaemons: number): StateDirectory {
	const path = resolve(stateDir);
	const socket = (ordinal: number) => join(path, "run", `${ordinal}.sock`);
	const bytes = Buffer.byteLength(socket(maxDaemons - 1));
	if (bytes > maxSocketPathBytes) {
		throw new ScalerError(
			"CONFIG_INVALID",
			`state-dir: ${path} is too long by ${bytes - maxSocketPathBytes} bytes for the unix sockets in it`,
		);
	}
	const pids = join(path, "pids");
	try {
		for (const dir of ["run", "logs", "daemons", "pids"]) {
			// Whoever may connect to a daemon's socket is root through it.
			mkdirSync(join(path, dir), { recursive: true, mode: 0o700 });
		}
	} catch (cause) {
		throw new ScalerError("CONFIG_INVALID", `state-dir: ${ScalerError.from(cause).message}`, { cause });
	}
	return {
		path,
		pids,
		socket,
		root: (ordinal) => join(path, "daemons", String(ordinal)),
		log: (daemonName) => join(path, "logs", `${daemonName}.log`),
		pid: (daemonName) => join(pids, `${daemonName}.json`),
		release: takeLock(join(path, "lock")),
	};
}
