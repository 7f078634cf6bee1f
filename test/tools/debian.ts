import { existsSync } from "node:fs";
import type { Program } from "./catalog.ts";
import { withProgress } from "./progress.ts";
import { runCommand } from "./run-command.ts";
import { ToolError } from "./tool-error.ts";

/**
 * BUILDKIT_SCALER_TOOLS_NO_APT=1 leaves the machine's packages alone: what has a Go module is then built
 * from it, as on machines without apt.
 */
export function canInstallPackages(): boolean {
	return (
		process.env["BUILDKIT_SCALER_TOOLS_NO_APT"] !== "1" &&
		process.getuid?.() === 0 &&
		existsSync("/usr/bin/apt-get")
	);
}

// Another apt (a machine's nightly upgrade) may hold the lock for a while.
const waitForLock = ["-o", "DPkg::Lock::Timeout=120"];

/** Installs what Debian has of these packages; a failure is returned, as a Go module may still help. */
export async function installPackages(programs: readonly Program[]): Promise<ToolError | undefined> {
	const wanted = [...new Set(programs.flatMap((program) => program.debianPackage ?? []))];
	if (wanted.length === 0) return undefined;
	return await withProgress(`installing ${wanted.join(", ")} with apt-get`, "", async () => {
		try {
			// A failed update is not yet a failure: the lists that are there may do.
			const updateError = await aptGet(["update"]).then(() => undefined, asToolError);
			const available = await knownPackages(wanted);
			const unknown = wanted.filter((name) => !available.includes(name));
			if (available.length > 0) await aptGet(["install", "-y", "--no-install-recommends", ...available]);
			if (unknown.length === 0) return undefined;
			return updateError ?? new ToolError(`apt has no package ${unknown.join(", ")}`);
		} catch (error) {
			return asToolError(error);
		}
	});
}

async function aptGet(args: readonly string[]): Promise<void> {
	// RUNLEVEL=1: invoke-rc.d then starts no service (etcd, haproxy, … would run beside the tests' own).
	const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
	await runCommand("apt-get", ["-q", ...waitForLock, ...args], { env });
}

// One unknown name would make apt-get install refuse the whole line.
async function knownPackages(names: readonly string[]): Promise<string[]> {
	const report = await runCommand("apt-cache", ["policy", ...names], {
		env: { ...process.env, LC_ALL: "C" },
	});
	const sections = report.split(/^(?=\S)/m);
	return names.filter((name) =>
		sections.some((section) => section.startsWith(`${name}:`) && !section.includes("Candidate: (none)")),
	);
}

function asToolError(error: unknown): ToolError {
	return error instanceof ToolError ? error : new ToolError(String(error));
}
