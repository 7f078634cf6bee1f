// npm run build: what the compiled code reads at run time, at the same place beside it as beside the source.
import { copyFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { projectRoot } from "./paths.ts";

for (const path of ["package.json", "protos/externalscaler.proto", "protos/buildkit-control.proto"]) {
	const copy = join(projectRoot, "dist", path);
	mkdirSync(dirname(copy), { recursive: true });
	copyFileSync(join(projectRoot, path), copy);
}
