import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startServer } from "../../test/helpers/child.ts";
import type { Cleanup } from "../../test/helpers/cleanup.ts";
import type { Confines } from "../../test/helpers/command.ts";
import { accepts, freePort } from "../../test/helpers/free-port.ts";
import { findProgram } from "../../test/tools/programs.ts";
import type { Route } from "./route.ts";

/** haproxy relaying TCP: as it comes, or moving bytes inside the kernel with splice(2). */
export async function haproxy(
	cleanup: Cleanup,
	dir: string,
	daemonPort: number,
	{ splice: isSpliced, ...confines }: Confines & { readonly splice: boolean },
): Promise<Route> {
	const name = isSpliced ? "haproxy splice" : "haproxy";
	const port = await freePort();
	const file = join(dir, `${name.replace(" ", "-")}.cfg`);
	const splice = ["option splice-auto", "option splice-request", "option splice-response"];
	writeFileSync(file, config(port, daemonPort, isSpliced ? splice : []));
	// -db keeps it in the foreground, one process.
	const server = startServer(cleanup, findProgram("haproxy"), ["-db", "-f", file], confines);
	await server.ready(() => accepts(port));
	return { name, port, pid: server.pid };
}

function config(port: number, daemonPort: number, options: readonly string[]): string {
	const lines = [
		"defaults",
		"mode tcp",
		"timeout connect 5s",
		"timeout client 1h",
		"timeout server 1h",
		...options,
		"frontend clients",
		`bind 127.0.0.1:${port}`,
		"default_backend daemon",
		"backend daemon",
		`server buildkitd 127.0.0.1:${daemonPort}`,
	];
	return `${lines.join("\n")}\n`;
}
