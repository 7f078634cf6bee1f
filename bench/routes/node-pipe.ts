import { z } from "zod";
import type { Cleanup } from "../../test/helpers/cleanup.ts";
import type { Confines } from "../../test/helpers/command.ts";
import { startProgram } from "../program.ts";
import type { Route } from "./route.ts";

/** Node's own `a.pipe(b)`. */
export async function nodePipe(
	cleanup: Cleanup,
	daemonPort: number,
	confines: Confines = {},
): Promise<Route> {
	const program = startProgram(cleanup, "pipe-proxy", { args: [`${daemonPort}`], ...confines });
	const { port } = await program.ask(z.object({ port: z.number() }));
	return { name: "node pipe", port, pid: program.pid };
}
