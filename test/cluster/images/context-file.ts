import {
	copyFileSync,
	mkdirSync,
	readdirSync,
	readlinkSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { dirname, join, relative, sep } from "node:path";

/** One entry of a build context: `path` is relative to the context's root. */
export type ContextFile =
	| { readonly path: string; readonly source: string }
	| { readonly path: string; readonly text: string }
	| { readonly path: string; readonly linkTo: string }
	| { readonly path: string; readonly folderMode: number };

/** All of a folder, as context files below `into`; `except` names folders or files relative to it. */
export function folderFiles(folder: string, into = "", except: readonly string[] = []): ContextFile[] {
	return readdirSync(folder, { withFileTypes: true, recursive: true }).flatMap((entry): ContextFile[] => {
		const source = join(entry.parentPath, entry.name);
		const name = relative(folder, source);
		if (entry.isDirectory() || except.some((path) => name === path || name.startsWith(path + sep))) return [];
		const path = join(into, name);
		return [entry.isSymbolicLink() ? { path, linkTo: readlinkSync(source) } : { path, source }];
	});
}

/** Lays the files out in `root`. */
export function stage(root: string, files: readonly ContextFile[]): void {
	mkdirSync(root, { recursive: true });
	for (const file of files) {
		const target = join(root, file.path);
		mkdirSync(dirname(target), { recursive: true });
		if ("source" in file) copyFileSync(file.source, target);
		else if ("text" in file) writeFileSync(target, file.text);
		else if ("linkTo" in file) symlinkSync(file.linkTo, target);
		// mkdir's mode is cut by the umask, chmod's is not needed for a folder made by copying.
		else makeFolder(target, file.folderMode);
	}
}

function makeFolder(target: string, mode: number): void {
	const before = process.umask(0);
	try {
		mkdirSync(target, { recursive: true, mode });
	} finally {
		process.umask(before);
	}
}

/** Part of a file's identity besides its content. */
export function isExecutableFile(source: string): boolean {
	return (statSync(source).mode & 0o100) !== 0;
}
