import { rmSync } from "node:fs";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { StateDirectory } from "../state-directory.ts";
import { groupSignals, startChild } from "./child.ts";
import { type DaemonKind, daemonName } from "./kind.ts";

// .ts in the sources, .js in dist/.
const program = fileURLToPath(new URL("./simulated-daemon.ts", import.meta.url)).replace(
	/\.ts$/,
	extname(import.meta.filename),
);

/** A stand-in where no real daemon can run: everything but the builds can be tried with it. */
export function simulatedKind(state: StateDirectory): DaemonKind {
	return {
		t: "simulated",
		describe: () => "simulated daemons, which cannot build",
		address: (ordinal) => ({ t: "unix", path: state.socket(ordinal) }),
		spawn(ordinal) {
			const socket = state.socket(ordinal);
			rmSync(socket, { force: true });
			return startChild(
				{
					program: process.execPath,
					args: [program, socket],
					path: process.env["PATH"] ?? "",
					logFile: state.log(daemonName(ordinal)),
					pidFile: state.pid(daemonName(ordinal)),
				},
				groupSignals,
			);
		},
	};
}
