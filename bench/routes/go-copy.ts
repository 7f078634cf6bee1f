import { z } from "zod";
import { startServer } from "../../test/helpers/child.ts";
import type { Cleanup } from "../../test/helpers/cleanup.ts";
import type { Confines } from "../../test/helpers/command.ts";
import { findProgram } from "../../test/tools/programs.ts";
import type { Route } from "./route.ts";

const firstLine = z.object({ port: z.number() });

/** Go's own io.Copy. */
export async function goCopy(cleanup: Cleanup, daemonPort: number, confines: Confines = {}): Promise<Route> {
	const server = startServer(cleanup, findProgram("copy-proxy"), [`${daemonPort}`], confines);
	const { port } = await server.line((line) => firstLine.parse(JSON.parse(line)));
	return { name: "go io.Copy", port, pid: server.pid };
}
