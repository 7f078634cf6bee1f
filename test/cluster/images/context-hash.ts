import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { type ContextFile, isExecutableFile } from "./context-file.ts";
import type { ImageSpec } from "./image-spec.ts";

/** Same hash, same image: over names and contents of all that goes into the build. */
export async function contextHash(spec: ImageSpec): Promise<string> {
	const hash = createHash("sha256");
	hash.update(JSON.stringify([spec.name, spec.dockerfile, spec.buildArgs ?? {}]));
	await addFiles(hash, "", spec.files);
	for (const [name, files] of Object.entries(spec.namedContexts ?? {})) await addFiles(hash, name, files);
	return hash.digest("hex").slice(0, 16);
}

async function addFiles(hash: Hash, context: string, files: readonly ContextFile[]): Promise<void> {
	const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
	for (const file of sorted) {
		if (!("source" in file)) {
			hash.update(JSON.stringify([context, file]));
			continue;
		}
		const content = await fileHash(file.source);
		hash.update(JSON.stringify([context, file.path, isExecutableFile(file.source), content]));
	}
}

async function fileHash(path: string): Promise<string> {
	const hash = createHash("sha256");
	await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
	return hash.digest("hex");
}
