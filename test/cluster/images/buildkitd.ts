import { realpathSync } from "node:fs";
import { findProgram } from "../../tools/programs.ts";
import { runCommand } from "../../tools/run-command.ts";
import { busyboxFiles } from "./busybox.ts";
import type { ContextFile } from "./context-file.ts";
import type { ImageSpec } from "./image-spec.ts";

export const buildkitdImage = "local.test/buildkitd:1";

/** The real buildkitd as upstream's image has it: root, /usr/bin, ENTRYPOINT buildkitd, state in /var/lib. */
export async function buildkitd(): Promise<ImageSpec> {
	const runc = findProgram("runc");
	return {
		name: buildkitdImage,
		dockerfile: `FROM scratch\nCOPY . /\nENV PATH=/usr/bin:/bin\nENTRYPOINT ["/usr/bin/buildkitd"]\n`,
		files: [
			...busyboxFiles(),
			{ path: "usr/bin/buildkitd", source: findProgram("buildkitd") },
			{ path: "usr/bin/buildctl", source: findProgram("buildctl") },
			{ path: "usr/bin/runc", source: realpathSync(runc) },
			...(await librariesOf(runc)),
			{ path: "tmp", folderMode: 0o1777 },
			{ path: "etc/ssl/certs", folderMode: 0o755 },
		],
	};
}

// Debian's runc is dynamically linked: its loader and libraries go where it looks for them.
async function librariesOf(program: string): Promise<ContextFile[]> {
	const listed = await runCommand("ldd", [program]).catch(() => "");
	const paths = [...listed.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map((match) => match[1] ?? "");
	return paths.map((path) => ({ path: path.slice(1), source: realpathSync(path) }));
}
