import { delimiter, resolve } from "node:path";
import { catalog } from "./catalog.ts";
import { find } from "./find.ts";
import { binDir, systemPath } from "./paths.ts";

/** The absolute path of a real program; `npm run tools` installs or builds the missing ones. */
export function findProgram(name: string): string {
	const program = catalog.find((candidate) => candidate.name === name);
	if (program === undefined) throw new Error(`${name} is not in test/tools/catalog.ts`);
	const found = find(program);
	if (found === undefined) {
		throw new Error(`${name} is missing: run npm run tools ${name}`);
	}
	return resolve(found.path);
}

/** PATH for child processes (buildkitd looks for runc itself), searched in the order findProgram uses. */
export function toolsPath(): string {
	return [...systemPath(), binDir].join(delimiter);
}
