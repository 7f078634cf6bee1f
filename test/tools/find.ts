import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Program } from "./catalog.ts";
import { isStaticElf } from "./elf.ts";
import type { GoModule } from "./go-modules.ts";
import { binDir, stampDir, systemPath } from "./paths.ts";

export interface Found {
	readonly path: string;
	/** Where its version comes from, for people to read. */
	readonly source: string;
}

/** The machine's own program first, so that nothing is built where it is installed already. */
export function find(program: Program): Found | undefined {
	return (program.onlyBuilt ? undefined : findInstalled(program)) ?? findBuilt(program);
}

/** What .tools/stamps/<name> holds: a build of another pinned version does not count as found. */
export function stampOf(module: GoModule): string {
	return `${module.title} ${module.version}`;
}

function findInstalled(program: Program): Found | undefined {
	for (const name of [program.name, ...(program.aliases ?? [])]) {
		for (const dir of program.dirs ?? systemPath()) {
			const path = join(dir, name);
			if (isExecutable(path) && (!program.mustBeStatic || isStaticElf(path))) {
				return { path, source: "installed on this machine" };
			}
		}
	}
	return undefined;
}

function findBuilt(program: Program): Found | undefined {
	if (program.goModule === undefined) return undefined;
	const path = join(binDir, program.name);
	const stamp = stampOf(program.goModule);
	if (!isExecutable(path) || readStamp(program.name) !== stamp) return undefined;
	return { path, source: `built from ${stamp}` };
}

function readStamp(name: string): string | undefined {
	try {
		return readFileSync(join(stampDir, name), "utf8").trim();
	} catch {
		return undefined;
	}
}

export function isExecutable(path: string): boolean {
	try {
		accessSync(path, constants.X_OK);
		return statSync(path).isFile();
	} catch {
		return false;
	}
}
