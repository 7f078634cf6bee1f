import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { startNatsServer } from "../../test/helpers/nats-server.ts";
import { projectRoot } from "../../test/tools/paths.ts";
import { startServer } from "../child.ts";
import type { Cleanup } from "../cleanup.ts";
import type { Route } from "./route.ts";

/** Our proxies: this checkout's, and those to compare it with. */
export async function scalerProxies(
	cleanup: Cleanup,
	daemonPort: number,
	beside: readonly string[],
): Promise<Route[]> {
	const nats = await startNatsServer();
	cleanup.add(() => nats.kill());
	const others = beside.map((dir) => ({ name: `beside ${basename(resolve(dir))}`, root: dir }));
	const trees = [{ name: "buildkit-scaler", root: projectRoot }, ...others];
	const routes: Route[] = [];
	for (const { name, root } of trees) {
		routes.push(await start(cleanup, { name, root, daemonPort, natsUrl: nats.url }));
	}
	return routes;
}

interface Tree {
	readonly name: string;
	readonly root: string;
	readonly daemonPort: number;
	readonly natsUrl: string;
}

const readyLine = z.object({ msg: z.literal("proxy ready"), port: z.number() });

/** The proxy as it is deployed: a process of its own, a real NATS, default options. */
async function start(cleanup: Cleanup, { name, root, daemonPort, natsUrl }: Tree): Promise<Route> {
	const args = [
		...[join(root, "cli", "main.ts"), "proxy", "--id", name],
		...["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
		...["--daemons", `127.0.0.1:${daemonPort}`, "--nats", natsUrl],
	];
	const server = startServer(cleanup, process.execPath, args, withoutOurs(process.env));
	const { port } = await server.line((line) => readyLine.safeParse(json(line)).data);
	return { name, port, pid: server.pid };
}

/** A configuration left in somebody's shell would be measured instead of the defaults. */
function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
	return Object.fromEntries(Object.entries(env).filter(([key]) => !key.startsWith("BUILDKIT_SCALER_")));
}

function json(line: string): unknown {
	try {
		return JSON.parse(line);
	} catch {
		return undefined;
	}
}
