// A build starts from nothing: a file whose source is gone must not stay in dist.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "./paths.ts";

rmSync(join(projectRoot, "dist"), { recursive: true, force: true });
