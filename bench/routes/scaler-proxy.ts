import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { type Server, type ServerOptions, startServer } from "../../test/helpers/child.ts";
import type { Cleanup } from "../../test/helpers/cleanup.ts";
import type { Confines } from "../../test/helpers/command.ts";
import { startNatsServer } from "../../test/helpers/nats-server.ts";
import { projectRoot } from "../../test/tools/paths.ts";
import type { Route } from "./route.ts";

/** A checkout of this project. */
export interface Tree {
	readonly name: string;
	readonly root: string;
}

/** This checkout first, then those to compare it with. */
export function scalerTrees(beside: readonly string[]): Tree[] {
	const others = beside.map((dir) => ({ name: `beside ${basename(resolve(dir))}`, root: dir }));
	return [{ name: "buildkit-scaler", root: projectRoot }, ...others];
}

/** Our proxies, as routes to one daemon. */
export async function scalerProxies(
	cleanup: Cleanup,
	daemonPort: number,
	beside: readonly string[],
	{ flags = [], ...confines }: Confines & { readonly flags?: readonly string[] } = {},
): Promise<Route[]> {
	const nats = await startNatsServer();
	cleanup.add(() => nats.kill());
	const routes: Route[] = [];
	for (const [index, tree] of scalerTrees(beside).entries()) {
		const { server, port } = await startScalerProxy(cleanup, tree, {
			// A pool each: proxies of one pool listen to each other.
			flags: [
				"--pool",
				`bench-${index}`,
				"--daemons",
				`127.0.0.1:${daemonPort}`,
				"--nats",
				nats.url,
				...flags,
			],
			...confines,
		});
		routes.push({ name: tree.name, port, pid: server.pid });
	}
	return routes;
}

interface ProxyStart extends Omit<ServerOptions, "env"> {
	readonly flags: readonly string[];
	/** For Node itself. */
	readonly nodeFlags?: readonly string[];
}

/** Older checkouts, with one pool, say it of the proxy. */
const readyLine = z.object({ msg: z.enum(["pool ready", "proxy ready"]), port: z.number() });

/** The proxy as it is deployed: a process of its own, options that nobody set at their defaults. */
export async function startScalerProxy(
	cleanup: Cleanup,
	{ name, root }: Tree,
	{ flags, nodeFlags = [], ...options }: ProxyStart,
): Promise<{ readonly server: Server; readonly port: number }> {
	const args = [
		...[...nodeFlags, join(root, "cli", "main.ts"), "proxy", "--id", name],
		...["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", ...flags],
	];
	const env = withoutOurs(process.env);
	const server = startServer(cleanup, process.execPath, args, { ...options, env });
	const { port } = await server.line((line) => readyLine.safeParse(json(line)).data);
	return { server, port };
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
