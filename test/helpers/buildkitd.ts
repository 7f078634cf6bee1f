import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { findProgram } from "../tools/programs.ts";
import type { CertificateFiles } from "./certificates.ts";
import { CliProcess } from "./cli-process.ts";

/** buildkitd on a port of this machine, with mutual TLS if it has certificates; it ends with the test. */
export async function startBuildkitd(port: number, tls?: CertificateFiles): Promise<CliProcess> {
	const root = mkdtempSync(join(tmpdir(), "bks-daemon-"));
	const secure = tls === undefined ? [] : ["--tlscacert", tls.ca, "--tlscert", tls.cert, "--tlskey", tls.key];
	const daemon = new CliProcess(findProgram("buildkitd"), [
		...["--addr", `tcp://127.0.0.1:${port}`, "--root", root, ...secure],
		...["--oci-worker=true", "--containerd-worker=false", "--oci-worker-net=host"],
	]);
	onTestFinished(async () => {
		daemon.child.kill("SIGCONT");
		daemon.child.kill("SIGTERM");
		await daemon.exited;
		rmSync(root, { recursive: true, force: true, maxRetries: 5 });
	});
	await daemon.line(/running server on/);
	return daemon;
}
