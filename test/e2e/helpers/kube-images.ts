// The images that the chart's tests run, made from this machine's files: there is no registry.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { buildImage } from "../../cluster/images/build-image.ts";
import { busyboxFiles } from "../../cluster/images/busybox.ts";
import { type ContextFile, folderFiles } from "../../cluster/images/context-file.ts";
import { projectRoot } from "../../tools/paths.ts";
import { findProgram } from "../../tools/programs.ts";
import { runCommand } from "../../tools/run-command.ts";

export const scalerImage = { repository: "local.test/buildkit-scaler", tag: "1" };
export const natsImage = { repository: "local.test/nats", tag: "1" };

/**
 * The project's own Dockerfile, built offline: its base is this machine's Node and the libraries it needs, and its
 * stages that talk to npm's registry give way to what `npm run build` and `npm ci --omit=dev` make here.
 */
export async function buildScalerImage(): Promise<string> {
	const dist = mkdtempSync(join(tmpdir(), "bks-dist-"));
	try {
		await compile(dist);
		return await buildImage({
			name: `${scalerImage.repository}:${scalerImage.tag}`,
			dockerfile: readFileSync(join(projectRoot, "Dockerfile"), "utf8"),
			files: [],
			namedContexts: {
				"node:26-slim": await nodeBase(),
				build: folderFiles(dist, "app/dist"),
				dependencies: await productionDependencies(),
			},
		});
	} finally {
		rmSync(dist, { recursive: true, force: true });
	}
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

/** `npm run build`, but not into the project's dist, which someone else may be using. */
async function compile(dist: string): Promise<void> {
	const tsc = join(projectRoot, "node_modules", ".bin", "tsc");
	await runCommand(tsc, ["-p", join(projectRoot, "tsconfig.build.json"), "--outDir", dist]);
	cpSync(join(projectRoot, "package.json"), join(dist, "package.json"));
	mkdirSync(join(dist, "protos"), { recursive: true });
	for (const proto of ["externalscaler.proto", "buildkit-control.proto"])
		cpSync(join(projectRoot, "protos", proto), join(dist, "protos", proto));
}

async function nodeBase(): Promise<ContextFile[]> {
	const node = process.execPath;
	return [
		...busyboxFiles(),
		{ path: "usr/local/bin/node", source: node },
		...(await librariesOf(node)),
		{ path: "tmp", folderMode: 0o1777 },
	];
}

async function productionDependencies(): Promise<ContextFile[]> {
	const listed = await runCommand("npm", ["ls", "--omit=dev", "--all", "--parseable"], { cwd: projectRoot });
	const folders = listed.split("\n").filter((path) => path.startsWith(join(projectRoot, "node_modules")));
	return folders.flatMap((folder) => {
		const into = join("app", folder.slice(projectRoot.length + 1));
		// A package's own node_modules is in the list if it is needed.
		return folderFiles(folder, into, ["node_modules"]).filter(({ path }) => !isForDevelopers(path));
	});
}

/** As in the Dockerfile's stage. */
function isForDevelopers(path: string): boolean {
	return /\.d\.[cm]?ts$|\.map$/.test(basename(path));
}

/** The loader and libraries of a dynamically linked program, where it looks for them; none for a static one. */
async function librariesOf(program: string): Promise<ContextFile[]> {
	const listed = await runCommand("ldd", [program]).catch(() => "");
	const paths = [...listed.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map((match) => match[1] ?? "");
	return paths.map((path) => ({ path: path.slice(1), source: realpathSync(path) }));
}
