import { realpathSync } from "node:fs";
import { runCommand } from "../../tools/run-command.ts";
import type { ContextFile } from "./context-file.ts";

/** The loader and libraries of a dynamically linked program, where it looks for them; none for a static one. */
export async function librariesOf(program: string): Promise<ContextFile[]> {
	const listed = await runCommand("ldd", [program]).catch(() => "");
	const paths = [...listed.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map((match) => match[1] ?? "");
	return paths.map((path) => ({ path: path.slice(1), source: realpathSync(path) }));
}
