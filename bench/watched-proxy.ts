import { readdirSync, readFileSync } from "node:fs";
import { z } from "zod";
import type { Cleanup } from "../test/helpers/cleanup.ts";
import type { Confines } from "../test/helpers/command.ts";
import { startScalerProxy, type Tree } from "./routes/scaler-proxy.ts";

const memory = z.object({
	rss: z.number(),
	heapUsed: z.number(),
	external: z.number(),
	timers: z.number(),
	handles: z.number(),
});
const loopDelay = z.object({ p99Ms: z.number(), maxMs: z.number() });
export type LoopDelay = z.infer<typeof loopDelay>;

/** A proxy with one of our files loaded into it, which answers questions about the process. */
export interface WatchedProxy {
	readonly pid: number;
	readonly port: number;
	/** What it holds after a garbage collection. */
	memory(): Promise<z.infer<typeof memory>>;
	/** How late its event loop was since the last such question. */
	loopDelay(): Promise<LoopDelay>;
	/** Bytes of memory as they are, without a garbage collection. */
	rss(): number;
	openFiles(): number;
}

const pageBytes = 4096;

export async function startWatchedProxy(
	cleanup: Cleanup,
	tree: Tree,
	options: Confines & { readonly flags: readonly string[] },
): Promise<WatchedProxy> {
	const nodeFlags = ["--import", new URL("./programs/watch.ts", import.meta.url).href];
	const { server, port } = await startScalerProxy(cleanup, tree, { ...options, nodeFlags, ipc: true });
	return {
		pid: server.pid,
		port,
		memory: () => server.ask(memory, { what: "memory" }),
		loopDelay: () => server.ask(loopDelay, { what: "loop" }),
		rss: () => Number(readFileSync(`/proc/${server.pid}/statm`, "utf8").split(" ")[1]) * pageBytes,
		openFiles: () => readdirSync(`/proc/${server.pid}/fd`).length,
	};
}
