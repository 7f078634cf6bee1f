import {
	chmodSync,
	cpSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	renameSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { isExecutable, stampOf } from "./find.ts";
import type { GoModule, GoSource } from "./go-modules.ts";
import { removeLeftovers } from "./leftovers.ts";
import { binDir, modulesDir, stampDir, systemPath, toolsDir } from "./paths.ts";
import { withProgress } from "./progress.ts";
import { runCommand } from "./run-command.ts";
import { ToolError } from "./tool-error.ts";

const BUILD_PREFIX = "build-";

/** Builds a module's programs beside .tools/bin and moves them in when they are whole. */
export async function buildModule(module: GoModule): Promise<void> {
	const go = findGo();
	const names = module.programs.join(", ");
	if (go === undefined) {
		throw new ToolError(
			`cannot build ${names}: Go is not installed (no go on PATH nor in /usr/local/go/bin); install Go or put ${names} on PATH`,
		);
	}
	const stamp = stampOf(module);
	mkdirSync(toolsDir, { recursive: true });
	removeLeftovers(BUILD_PREFIX);
	const temporary = mkdtempSync(join(toolsDir, BUILD_PREFIX));
	try {
		const output = join(temporary, "bin");
		await withProgress(`building ${names} (${stamp})`, module.usualTime, async () => {
			const folder = await sourceFolder(go, module, temporary);
			await runGoInstall(go, module, folder, output);
		});
		for (const name of module.programs) {
			moveIn(name, join(output, module.builtAs?.[name] ?? name), stamp, temporary);
		}
	} finally {
		rmSync(temporary, { recursive: true, force: true });
	}
}

/** The folder to build in. Throws when the sources are not those that were pinned. */
async function sourceFolder(go: string, module: GoModule, temporary: string): Promise<string> {
	const { source } = module;
	if (source.t === "wrapper") {
		// A copy, so that no Go command can change the committed go.mod and go.sum.
		const folder = join(temporary, "source");
		cpSync(join(modulesDir, source.dir), folder, { recursive: true });
		return folder;
	}
	// Checked against our own hash, so that the public checksum database need not be in reach.
	const env = { ...process.env, GOWORK: "off", GOFLAGS: "", GONOSUMDB: source.path };
	const report = await runCommand(go, ["mod", "download", "-json", `${source.path}@${module.version}`], {
		cwd: temporary,
		env,
	});
	const { Dir: folder, Sum: sum }: { Dir?: string; Sum?: string } = JSON.parse(report);
	if (folder === undefined || sum !== source.sum) {
		throw new ToolError(`${stampOf(module)} has the hash ${sum}, and not ${source.sum} as pinned`);
	}
	return folder;
}

function packagesOf(source: GoSource): readonly string[] {
	return source.t === "wrapper" ? ["tool"] : source.packages;
}

async function runGoInstall(go: string, module: GoModule, cwd: string, gobin: string): Promise<void> {
	const linking = ["-s", "-w"];
	for (const [name, value] of Object.entries(module.variables ?? {})) linking.push(`-X ${name}=${value}`);
	const tags = module.tags === undefined ? [] : ["-tags", module.tags];
	const env = {
		...process.env,
		GOBIN: gobin,
		// The user's own flags and workspace must not decide what is built.
		GOFLAGS: "-mod=readonly -buildvcs=false",
		GOWORK: "off",
		CGO_ENABLED: module.cgo ? "1" : "0",
	};
	const args = ["install", "-trimpath", "-ldflags", linking.join(" "), ...tags, ...packagesOf(module.source)];
	try {
		await runCommand(go, args, { cwd, env });
	} catch (error) {
		if (!(error instanceof ToolError)) throw error;
		const needs = module.needs === undefined ? "" : ` (it needs ${module.needs})`;
		const what = `cannot build ${module.programs.join(", ")} from ${stampOf(module)}${needs}`;
		throw new ToolError(`${what}: ${error.message}`, error.details);
	}
}

// Renames within .tools: a reader, or a second run of this command, sees an old or a new file, never half a one.
function moveIn(name: string, built: string, stamp: string, temporary: string): void {
	if (!existsSync(built)) throw new ToolError(`the Go module of ${stamp} did not build ${name}`);
	mkdirSync(binDir, { recursive: true });
	mkdirSync(stampDir, { recursive: true });
	chmodSync(built, 0o755);
	renameSync(built, join(binDir, name));
	const newStamp = join(temporary, `${name}.stamp`);
	writeFileSync(newStamp, `${stamp}\n`);
	renameSync(newStamp, join(stampDir, name));
}

export function findGo(): string | undefined {
	const dirs = [...systemPath(), "/usr/local/go/bin"];
	return dirs.map((dir) => join(dir, "go")).find(isExecutable);
}
