import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { findProgram } from "../test/tools/programs.ts";
import { startServer } from "./child.ts";
import type { Cleanup } from "./cleanup.ts";
import { freePort } from "./free-port.ts";

export interface Buildkitd {
	readonly port: number;
	/** Forgets every build and every context it was sent. */
	prune(): Promise<void>;
}

/** A real buildkitd on TCP with all its state below `dir`. */
export async function startBuildkitd(cleanup: Cleanup, dir: string): Promise<Buildkitd> {
	if (process.getuid?.() !== 0) throw new Error("buildkitd needs root: run this scenario with sudo");
	const port = await freePort();
	const config = join(dir, "buildkitd.toml");
	// An empty file in place of what the machine may have configured.
	writeFileSync(config, "");
	const server = startServer(cleanup, "unshare", [
		// A mount namespace of its own: whatever way it ends, its mounts end with it.
		...["--mount", "--propagation", "slave", "--"],
		...[findProgram("buildkitd"), "--config", config, "--root", join(dir, "buildkitd")],
		...["--addr", `tcp://127.0.0.1:${port}`, "--otel-socket-path", join(dir, "otel.sock")],
		...["--oci-worker=true", "--oci-worker-net=host", "--containerd-worker=false"],
	]);
	const buildctl = async (...args: readonly string[]) => {
		await promisify(execFile)(findProgram("buildctl"), ["--addr", `tcp://127.0.0.1:${port}`, ...args]);
	};
	await server.ready(() => buildctl("debug", "workers"));
	return { port, prune: () => buildctl("prune", "--all") };
}
