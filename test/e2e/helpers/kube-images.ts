// The images that the chart's tests run, made from this machine's files and npm's packages: there is no image registry.
import { existsSync, globSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { getCACertificates } from "node:tls";
import { buildImage } from "../../cluster/images/build-image.ts";
import { busyboxFiles } from "../../cluster/images/busybox.ts";
import { type ContextFile, folderFiles } from "../../cluster/images/context-file.ts";
import { librariesOf } from "../../cluster/images/libraries.ts";
import { projectRoot } from "../../tools/paths.ts";
import { findProgram } from "../../tools/programs.ts";
import { runCommand } from "../../tools/run-command.ts";

export const scalerImage = { repository: "local.test/buildkit-scaler", tag: "1" };
export const natsImage = { repository: "local.test/nats", tag: "1" };

/** The project's own Dockerfile as users build it, but for its base: that is this machine's Node. */
export async function buildScalerImage(): Promise<string> {
	return await buildImage({
		name: `${scalerImage.repository}:${scalerImage.tag}`,
		dockerfile: readFileSync(join(projectRoot, "Dockerfile"), "utf8"),
		files: projectContext(),
		namedContexts: { "node:26-slim": await nodeBase() },
		// Packages come from where this machine gets them.
		secrets: { npmrc: `registry=${await npmConfig("registry")}\ncafile=${caBundle}\n` },
	});
}

/** Debian's nats-server, laid out as the official image is. */
export async function buildNatsImage(): Promise<string> {
	const program = findProgram("nats-server");
	return await buildImage({
		name: `${natsImage.repository}:${natsImage.tag}`,
		dockerfile: `FROM scratch\nCOPY . /\nENTRYPOINT ["/nats-server"]\n`,
		files: [
			{ path: "nats-server", source: program },
			...(await librariesOf(program)),
			{ path: "tmp", folderMode: 0o1777 },
		],
	});
}

/** Where the base has the certificates that registries are checked with. */
const caBundle = "/etc/ssl/certs/ca-certificates.crt";

async function npmConfig(key: string): Promise<string> {
	return (await runCommand("npm", ["config", "get", key])).trim();
}

/** All that this machine's npm trusts. */
async function certificates(): Promise<string> {
	const file = await npmConfig("cafile");
	const own = existsSync(file) ? [readFileSync(file, "utf8")] : [];
	return [...getCACertificates("default"), ...own].join("\n");
}

/** What .dockerignore lets through, itself included: the build leaves the rest out by its own reading of it. */
function projectContext(): ContextFile[] {
	const ignored = readFileSync(join(projectRoot, ".dockerignore"), "utf8").split("\n");
	const patterns = ignored.filter((line) => line.startsWith("!")).map((line) => line.slice(1));
	return [".dockerignore", ...globSync(patterns, { cwd: projectRoot })].flatMap((path): ContextFile[] => {
		const source = join(projectRoot, path);
		return statSync(source).isDirectory() ? folderFiles(source, path) : [{ path, source }];
	});
}

async function nodeBase(): Promise<ContextFile[]> {
	const node = process.execPath;
	const npm = dirname(dirname(realpathSync((await runCommand("which", ["npm"])).trim())));
	return [
		...busyboxFiles(),
		{ path: "usr/local/bin/node", source: node },
		{ path: "usr/local/bin/npm", linkTo: "../lib/node_modules/npm/bin/npm-cli.js" },
		...folderFiles(npm, "usr/local/lib/node_modules/npm"),
		{ path: "usr/bin/env", linkTo: "../../bin/busybox" },
		{ path: "etc/passwd", text: "root:x:0:0:root:/root:/bin/sh\n" },
		{ path: caBundle.slice(1), text: await certificates() },
		...(await librariesOf(node)),
		{ path: "tmp", folderMode: 0o1777 },
	];
}
