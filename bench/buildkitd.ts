import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { startBuildkitdProcess } from "../test/helpers/buildkitd-process.ts";
import type { Cleanup } from "../test/helpers/cleanup.ts";
import { freePort } from "../test/helpers/free-port.ts";
import { findProgram } from "../test/tools/programs.ts";

export interface Buildkitd {
	readonly port: number;
	/** Forgets every build and every context it was sent. */
	prune(): Promise<void>;
}

/** A real buildkitd on TCP with all its state below `dir`. */
export async function startBuildkitd(cleanup: Cleanup, dir: string): Promise<Buildkitd> {
	if (process.getuid?.() !== 0) throw new Error("buildkitd needs root: run this scenario with sudo");
	const port = await freePort();
	const address = `127.0.0.1:${port}`;
	const program = findProgram("buildkitd");
	await startBuildkitdProcess(cleanup, { program, address, folder: join(dir, "buildkitd") });
	const prune = async () => {
		await promisify(execFile)(findProgram("buildctl"), ["--addr", `tcp://${address}`, "prune", "--all"]);
	};
	return { port, prune };
}
