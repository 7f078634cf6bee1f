import { delimiter, join } from "node:path";

export const projectRoot = join(import.meta.dirname, "..", "..");
export const modulesDir = join(import.meta.dirname, "go");
export const toolsDir = join(projectRoot, ".tools");
export const binDir = join(toolsDir, "bin");
export const stampDir = join(toolsDir, "stamps");

// Debian puts runc, nats-server and haproxy here, which an ordinary user's PATH leaves out.
const systemDirs = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** The folders outside the project, in the order they are searched. */
export function systemPath(): string[] {
	const path = (process.env["PATH"] ?? "").split(delimiter).filter((dir) => dir !== "" && dir !== binDir);
	return [...new Set([...path, ...systemDirs])];
}
