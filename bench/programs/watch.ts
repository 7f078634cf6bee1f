// Loaded into a proxy with --import: tells the bench what only the process itself can know.
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { z } from "zod";

const request = z.enum(["memory", "loop"]);

const loop = monitorEventLoopDelay({ resolution: 1 });
loop.enable();
setFlagsFromString("--expose-gc");
const collectGarbage = z
	.custom<() => void>((value) => typeof value === "function")
	.parse(runInNewContext("gc"));

/** What is held when nothing is going on. */
function memory() {
	// Twice: what a finalizer of the first lets go, the second finds.
	collectGarbage();
	collectGarbage();
	const { rss, heapUsed, external } = process.memoryUsage();
	const active = process.getActiveResourcesInfo();
	const timers = active.filter((kind) => kind === "Timeout").length;
	return { rss, heapUsed, external, timers, handles: active.length - timers };
}

/** How late the event loop was since the last such question, in ms. */
function delay() {
	const figures = { p99Ms: loop.percentile(99) / 1e6, maxMs: loop.max / 1e6 };
	loop.reset();
	return figures;
}

process.on("message", (message) => {
	const { what } = z.object({ what: request }).parse(message);
	process.send?.(what === "memory" ? memory() : delay());
});
// The proxy must end as it does without us.
process.channel?.unref();
