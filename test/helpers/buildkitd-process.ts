import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startServer } from "./child.ts";
import type { Cleanup } from "./cleanup.ts";
import type { CertificateFiles } from "./x509.ts";

export interface BuildkitdOptions {
	/** Path of the program. */
	readonly program: string;
	/** HOST:PORT of this machine. */
	readonly address: string;
	/** Holds all its state; made if it is not there. */
	readonly folder: string;
	/** With these it speaks TLS, and only to clients that the same authority has signed. */
	readonly tls?: CertificateFiles | undefined;
}

/** Daemons have sockets in /run/buildkit, and the old ones no flag to say where: each gets that folder for itself. */
const withRunFolder = 'mkdir -p /run/buildkit && mount -t tmpfs none /run/buildkit && exec "$@"';

/** A real buildkitd of any version; resolves when it serves. */
export async function startBuildkitdProcess(cleanup: Cleanup, options: BuildkitdOptions): Promise<void> {
	const { program, address, folder, tls } = options;
	mkdirSync(folder, { recursive: true });
	// An empty file in place of what the machine may have configured.
	const config = join(folder, "buildkitd.toml");
	writeFileSync(config, "");
	const tlsFlags =
		tls === undefined ? [] : ["--tlscacert", tls.ca, "--tlscert", tls.cert, "--tlskey", tls.key];
	const server = startServer(cleanup, "unshare", [
		// A mount namespace of its own: whatever way it ends, its mounts end with it.
		...["--mount", "--propagation", "slave", "--", "sh", "-c", withRunFolder, "sh"],
		...[program, "--config", config, "--root", join(folder, "root"), "--addr", `tcp://${address}`],
		...["--oci-worker=true", "--oci-worker-net=host", "--containerd-worker=false"],
		...tlsFlags,
	]);
	await server.line((line) => (line.includes("running server on") ? true : undefined));
}
