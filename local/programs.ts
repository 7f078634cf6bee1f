import { accessSync, constants, statSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";

// Debian puts runc here, which an ordinary user's PATH leaves out.
const systemDirs = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** The folders programs are looked up in, in order: PATH, the system's own, then what `npm run tools` built. */
export function programPath(): string {
	const path = (process.env["PATH"] ?? "").split(delimiter).filter((dir) => dir !== "");
	return [...new Set([...path, ...systemDirs, join(packageDir(), ".tools", "bin")])].join(delimiter);
}

/** The path of an executable file called `name`, or undefined. */
export function findProgram(name: string, path: string = programPath()): string | undefined {
	return path
		.split(delimiter)
		.map((dir) => join(dir, name))
		.find(isExecutable);
}

function isExecutable(path: string): boolean {
	try {
		accessSync(path, constants.X_OK);
		return statSync(path).isFile();
	} catch {
		return false;
	}
}

/** The folder of package.json: one above this file's in the sources, two above in dist/. */
function packageDir(): string {
	let dir = import.meta.dirname;
	while (dir !== dirname(dir) && !isFile(join(dir, "package.json"))) dir = dirname(dir);
	return dir;
}

function isFile(path: string): boolean {
	return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
