import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CertificateFiles } from "../helpers/x509.ts";
import { buildkit, buildx } from "../tools/go-modules.ts";
import { findProgram } from "../tools/programs.ts";
import type { Client } from "./cells.ts";

/** A build or a question that hangs; longer than any hold and any queue of builds on a small machine. */
const timeoutMs = 300_000;

export interface Target {
	/** tcp://HOST:PORT. */
	readonly address: string;
	readonly tls: CertificateFiles | undefined;
	/** Ends the client, which may try for ever. */
	readonly signal?: AbortSignal;
}

export interface Outcome {
	readonly ok: boolean;
	readonly output: string;
	readonly seconds: number;
}

function programOf({ kind, version }: Client): string {
	const isDefault = version === (kind === "buildctl" ? buildkit.version : buildx.version);
	return findProgram(isDefault ? kind : `${kind}-${version}`);
}

export function buildkitdOf(version: string): string {
	return findProgram(version === buildkit.version ? "buildkitd" : `buildkitd-${version}`);
}

/** A build that uploads a context and downloads its result; it works when the result is what was uploaded. */
export async function runBuild(
	client: Client,
	target: Target,
	workFolder: string,
	options: { readonly waits: boolean } = { waits: false },
): Promise<Outcome> {
	const folder = mkdtempSync(join(workFolder, "build-"));
	const context = join(folder, "context");
	const result = join(folder, "result");
	const token = randomUUID();
	mkdirSync(context);
	// A name of its own: buildkitd keeps a client's last context, and the old ones may take a file for another's that
	// is called the same and was written a moment apart.
	writeFileSync(join(context, token), token);
	writeFileSync(join(context, "Dockerfile"), `FROM scratch\nCOPY ${token} /token\n`);
	const output = ["--output", `type=local,dest=${result}`];
	const outcome =
		client.kind === "buildctl"
			? await run(
					programOf(client),
					[
						...buildctlFlags(target, options.waits),
						...["build", "--progress=plain", "--frontend", "dockerfile.v0", ...output],
						...["--local", `context=${context}`, "--local", `dockerfile=${context}`],
					],
					{ signal: target.signal },
				)
			: await runBuildx(client, target, folder, ["build", "--progress=plain", ...output, context]);
	const ok = outcome.ok && readIfThere(join(result, "token")) === token;
	rmSync(folder, { recursive: true, force: true });
	return { ...outcome, ok };
}

/** What a user sees of the pool. */
export function listBuilders(client: Client, target: Target, workFolder: string): Promise<Outcome> {
	return runBuildx(client, target, mkdtempSync(join(workFolder, "ls-")), ["ls"]);
}

export function versionOf(client: Client): Promise<Outcome> {
	return run(programOf(client), [client.kind === "buildctl" ? "--version" : "version"]);
}

function buildctlFlags({ address, tls }: Target, waits: boolean): string[] {
	return [
		...["--addr", address],
		...(tls === undefined ? [] : ["--tlscacert", tls.ca, "--tlscert", tls.cert, "--tlskey", tls.key]),
		...(waits ? ["--wait", "--timeout", "120"] : []),
	];
}

/** Any buildx command, with a configuration of its own whose one builder is the target. */
function runBuildx(
	client: Client,
	{ address, tls, signal }: Target,
	folder: string,
	args: readonly string[],
): Promise<Outcome> {
	const config = join(folder, "config");
	mkdirSync(join(config, "instances"), { recursive: true });
	// What `buildx create --driver remote` leaves; the command itself would already ask the pool for its workers.
	const options = tls === undefined ? null : { cacert: tls.ca, cert: tls.cert, key: tls.key };
	const node = {
		Name: "pool0",
		Endpoint: address,
		Platforms: null,
		Flags: null,
		DriverOpts: options,
		Files: null,
	};
	const instance = { Name: "pool", Driver: "remote", Nodes: [node], Dynamic: false };
	writeFileSync(join(config, "instances", "pool"), JSON.stringify(instance));
	const env = { BUILDX_CONFIG: config, DOCKER_CONFIG: config, BUILDX_BUILDER: "pool" };
	return run(programOf(client), args, { env, signal });
}

function run(
	program: string,
	args: readonly string[],
	{ env, signal }: { env?: NodeJS.ProcessEnv; signal?: AbortSignal | undefined } = {},
): Promise<Outcome> {
	const startedAt = performance.now();
	return new Promise((resolve, reject) => {
		const child = spawn(program, args, {
			stdio: ["ignore", "pipe", "pipe"],
			env: { ...process.env, ...env },
			timeout: timeoutMs,
			killSignal: "SIGKILL",
		});
		let output = "";
		for (const stream of [child.stdout, child.stderr]) {
			stream.setEncoding("utf8").on("data", (text: string) => {
				output += text;
			});
		}
		const kill = () => child.kill("SIGKILL");
		signal?.addEventListener("abort", kill);
		child.once("error", reject);
		child.once("close", (code) =>
			resolve({ ok: code === 0, output, seconds: (performance.now() - startedAt) / 1_000 }),
		);
	});
}

function readIfThere(path: string): string | undefined {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return undefined;
	}
}
