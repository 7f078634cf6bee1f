// tsc copies no .proto files, and the built programs load them at run time.
import { cpSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "./paths.ts";

cpSync(join(projectRoot, "protos"), join(projectRoot, "dist", "protos"), { recursive: true });
