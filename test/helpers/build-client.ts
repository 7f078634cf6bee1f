import { randomUUID } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { findProgram } from "../tools/programs.ts";
import { CliProcess } from "./cli-process.ts";

/** A folder that builds without any network: FROM scratch, COPY busybox, RUN `shell`. */
export function buildContext(shell = "echo built"): string {
	const directory = mkdtempSync(join(tmpdir(), "bks-context-"));
	onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
	copyFileSync(findProgram("busybox"), join(directory, "busybox"));
	const run = JSON.stringify(["/bin/busybox", "sh", "-c", `${shell} # ${randomUUID()}`]);
	writeFileSync(join(directory, "Dockerfile"), `FROM scratch\nCOPY busybox /bin/busybox\nRUN ${run}\n`);
	return directory;
}

/** What a client knows of TLS: the CA it trusts, the name it expects, and its own certificate, if any. */
export interface ClientTls {
	readonly ca: string;
	readonly serverName: string;
	readonly cert?: string;
	readonly key?: string;
}

/** Stock `buildctl build` of a context, as a process; it exits 0 when the build succeeded. */
export function buildctl(address: string, context = buildContext(), tls?: ClientTls): CliProcess {
	const trust = tls === undefined ? [] : ["--tlscacert", tls.ca, "--tlsservername", tls.serverName];
	const own =
		tls?.cert === undefined || tls.key === undefined ? [] : ["--tlscert", tls.cert, "--tlskey", tls.key];
	return new CliProcess(findProgram("buildctl"), [
		...["--addr", address, ...trust, ...own],
		...["build", "--progress=plain", "--frontend", "dockerfile.v0"],
		...["--local", `context=${context}`, "--local", `dockerfile=${context}`],
	]);
}

/** Stock `buildx build` with the remote driver. */
export function buildx(address: string, context = buildContext(), tls?: ClientTls): CliProcess {
	return runBuildx(address, tls, ["--builder", "pool", "build", "--progress=plain", context]);
}

/** Any buildx command, with a configuration of its own that has one builder: `pool`, at this address. */
export function buildxCommand(address: string, ...args: string[]): CliProcess {
	return runBuildx(address, undefined, args);
}

function runBuildx(address: string, tls: ClientTls | undefined, args: readonly string[]): CliProcess {
	const config = mkdtempSync(join(tmpdir(), "bks-buildx-"));
	onTestFinished(() => rmSync(config, { recursive: true, force: true }));
	// What `buildx create --driver remote` leaves; the command itself would already ask the pool for its workers.
	mkdirSync(join(config, "instances"));
	const options = tls && { cacert: tls.ca, cert: tls.cert, key: tls.key, servername: tls.serverName };
	const node = { Name: "pool0", Endpoint: address, Platforms: null, DriverOpts: options ?? null };
	const nodes = [{ ...node, Flags: null, Files: null }];
	const instance = { Name: "pool", Driver: "remote", Nodes: nodes, Dynamic: false };
	writeFileSync(join(config, "instances", "pool"), JSON.stringify(instance));
	return new CliProcess(findProgram("buildx"), args, {
		env: { BUILDX_CONFIG: config, DOCKER_CONFIG: config },
	});
}
