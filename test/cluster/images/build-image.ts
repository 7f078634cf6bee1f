import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toolsDir } from "../../tools/paths.ts";
import { type Builder, withBuilder } from "./builder.ts";
import { stage } from "./context-file.ts";
import { contextHash } from "./context-hash.ts";
import type { ImageSpec } from "./image-spec.ts";

const imagesDir = join(toolsDir, "images");
const OLD_MS = 86_400_000;

/** Builds those images that are not in .tools/images yet; gives their tars, in the order asked for. */
export async function buildImages(specs: readonly ImageSpec[]): Promise<string[]> {
	const images = await Promise.all(specs.map(async (spec) => ({ spec, tar: await tarOf(spec) })));
	const missing = images.filter(({ tar }) => !existsSync(tar));
	if (missing.length > 0) {
		await withBuilder(async (builder) => {
			for (const { spec, tar } of missing) await build(builder, spec, tar);
		});
	}
	return images.map(({ tar }) => tar);
}

/** Builds one image, or takes it from .tools/images; gives its tar, for Cluster.importImage. */
export async function buildImage(spec: ImageSpec): Promise<string> {
	const [tar] = await buildImages([spec]);
	if (tar === undefined) throw new Error("one image in, one tar out");
	return tar;
}

async function tarOf(spec: ImageSpec): Promise<string> {
	return join(imagesDir, `${prefixOf(spec)}${await contextHash(spec)}.tar`);
}

function prefixOf(spec: ImageSpec): string {
	return `${spec.name.replace(/[^a-z0-9.]+/g, "-")}-`;
}

/** Each change leaves a tar of up to 150 MB behind; by age, as a younger one may be another run's. */
function removeOldTars(spec: ImageSpec): void {
	for (const name of readdirSync(imagesDir)) {
		const path = join(imagesDir, name);
		if (name.startsWith(prefixOf(spec)) && Date.now() - statSync(path).mtimeMs > OLD_MS) {
			rmSync(path, { force: true });
		}
	}
}

async function build(builder: Builder, spec: ImageSpec, tar: string): Promise<void> {
	const context = join(builder.folder, "context");
	const dockerfile = join(builder.folder, "dockerfile");
	const partial = `${tar}.${process.pid}`;
	stage(context, spec.files);
	mkdirSync(dockerfile, { recursive: true });
	writeFileSync(join(dockerfile, "Dockerfile"), spec.dockerfile);
	const args = [
		...["build", "--progress=plain", "--frontend=dockerfile.v0"],
		...["--local", `context=${context}`, "--local", `dockerfile=${dockerfile}`],
	];
	for (const [name, files] of Object.entries(spec.namedContexts ?? {})) {
		const folder = join(builder.folder, `named-${name.replace(/\W+/g, "-")}`);
		stage(folder, files);
		args.push("--local", `${name}=${folder}`, "--opt", `context:${name}=local:${name}`);
	}
	for (const [name, value] of Object.entries(spec.buildArgs ?? {})) {
		args.push("--opt", `build-arg:${name}=${value}`);
	}
	for (const [id, text] of Object.entries(spec.secrets ?? {})) {
		const file = join(builder.folder, `secret-${id}`);
		writeFileSync(file, text, { mode: 0o600 });
		args.push("--secret", `id=${id},src=${file}`);
	}
	// Uncompressed: it is read once or twice from the local disk, and containerd would have to unpack it.
	const layers = "compression=uncompressed,force-compression=true";
	args.push("--output", `type=docker,name=${spec.name},dest=${partial},${layers}`);
	mkdirSync(imagesDir, { recursive: true });
	try {
		await builder.buildctl(args);
		renameSync(partial, tar);
		removeOldTars(spec);
	} finally {
		for (const path of [context, dockerfile, partial]) rmSync(path, { recursive: true, force: true });
	}
}
