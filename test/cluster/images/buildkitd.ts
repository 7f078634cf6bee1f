import { realpathSync } from "node:fs";
import { findProgram } from "../../tools/programs.ts";
import { busyboxFiles } from "./busybox.ts";
import type { ContextFile } from "./context-file.ts";
import type { ImageSpec } from "./image-spec.ts";
import { librariesOf } from "./libraries.ts";

export const buildkitdImage = "local.test/buildkitd:1";

/** The real buildkitd as upstream's image has it: root, /usr/bin, ENTRYPOINT buildkitd, state in /var/lib. */
export async function buildkitd(): Promise<ImageSpec> {
	return {
		name: buildkitdImage,
		dockerfile: `FROM scratch\nCOPY . /\nENV PATH=/usr/bin:/bin\nENTRYPOINT ["/usr/bin/buildkitd"]\n`,
		files: await buildkitdFiles(),
	};
}

const home = "/home/user";
const runtimeDir = "/run/user/1000";

/** As upstream's -rootless image has it: an ordinary user, whom rootlesskit makes root of a namespace of its own. */
export async function rootlessBuildkitd(): Promise<ImageSpec> {
	const env = [
		...["PATH=/usr/bin:/bin", "USER=user", `HOME=${home}`, `TMPDIR=${home}/.local/tmp`],
		...[`XDG_RUNTIME_DIR=${runtimeDir}`, `BUILDKIT_HOST=unix://${runtimeDir}/buildkit/buildkitd.sock`],
	];
	const setcap = findProgram("setcap");
	const idMappers = ["newuidmap", "newgidmap"].map(findProgram);
	// Debian's have the setuid bit, as which they need all of root's rights, and a pod's root has not all.
	const asCapabilities = idMappers.flatMap((program) => [
		`RUN ["busybox", "chmod", "u-s", "${program}"]`,
		`RUN ["${setcap}", "cap_set${program.includes("newuid") ? "uid" : "gid"}+ep", "${program}"]`,
	]);
	const ids = "user:100000:65536\n";
	return {
		name: `${buildkitdImage}-rootless`,
		dockerfile: [
			...["FROM scratch", "COPY . /", `ENV ${env.join(" ")}`, ...asCapabilities, "USER 1000:1000"],
			'ENTRYPOINT ["rootlesskit", "buildkitd"]\n',
		].join("\n"),
		files: [
			...(await buildkitdFiles()),
			{ path: "usr/bin/rootlesskit", source: findProgram("rootlesskit") },
			...[setcap, ...idMappers].map((source) => ({ path: source.slice(1), source: realpathSync(source) })),
			...(await Promise.all([setcap, ...idMappers].map(librariesOf))).flat(),
			{ path: "etc/passwd", text: `user:x:1000:1000::${home}:/bin/sh\n` },
			{ path: "etc/group", text: "user:x:1000:\n" },
			{ path: "etc/subuid", text: ids },
			{ path: "etc/subgid", text: ids },
			...[home, `${home}/.local/tmp`, runtimeDir].map((path) => ({ path: path.slice(1), folderMode: 0o777 })),
		],
	};
}

async function buildkitdFiles(): Promise<ContextFile[]> {
	const runc = findProgram("runc");
	return [
		...busyboxFiles(),
		{ path: "usr/bin/buildkitd", source: findProgram("buildkitd") },
		{ path: "usr/bin/buildctl", source: findProgram("buildctl") },
		{ path: "usr/bin/runc", source: realpathSync(runc) },
		// Debian's runc is dynamically linked: its loader and libraries go where it looks for them.
		...(await librariesOf(runc)),
		{ path: "tmp", folderMode: 0o1777 },
		{ path: "etc/ssl/certs", folderMode: 0o755 },
	];
}
