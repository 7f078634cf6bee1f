import { spawn } from "node:child_process";
import { once } from "node:events";
import { z } from "zod";
import { findProgram } from "../test/tools/programs.ts";

/** A build that takes longer hangs. */
const longestBuildMs = 600_000;

export interface BuildResult {
	/** The whole command, from its start to its exit. */
	readonly seconds: number;
	/** The context's transfer alone, by the daemon's clock. */
	readonly transferSeconds: number;
	/** What the daemon says it received of the context. */
	readonly contextBytes: number;
}

/** Part of a line of `buildctl build --progress=rawjson`. */
const progressLine = z.object({
	statuses: z.array(
		z.object({
			id: z.string(),
			current: z.number().default(0),
			started: z.coerce.date().optional(),
			completed: z.coerce.date().optional(),
		}),
	),
});

/** Builds the Dockerfile of a folder with that folder as context, as a user would, with nothing cached. */
export async function build(port: number, context: string): Promise<BuildResult> {
	const args = [
		...["--addr", `tcp://127.0.0.1:${port}`, "build", "--frontend", "dockerfile.v0", "--no-cache"],
		...["--local", `context=${context}`, "--local", `dockerfile=${context}`, "--progress", "rawjson"],
	];
	const startedAt = performance.now();
	const child = spawn(findProgram("buildctl"), args, {
		stdio: ["ignore", "pipe", "pipe"],
		timeout: longestBuildMs,
	});
	let output = "";
	for (const stream of [child.stdout, child.stderr]) {
		stream.setEncoding("utf8").on("data", (text: string) => {
			output += text;
		});
	}
	const exit = once(child, "exit").then(([code]) => ({
		code: z.unknown().parse(code),
		at: performance.now(),
	}));
	await once(child, "close");
	const { code, at } = await exit;
	if (code !== 0) throw new Error(`buildctl build failed:\n${output.slice(-2_000)}`);
	return { seconds: (at - startedAt) / 1000, ...transfer(output) };
}

/** Finds the finished transfer of the context among the progress. */
function transfer(output: string): Pick<BuildResult, "transferSeconds" | "contextBytes"> {
	for (const line of output.trimEnd().split("\n").toReversed()) {
		const { data } = progressLine.safeParse(JSON.parse(line));
		const status = data?.statuses.find(({ id }) => id === "transferring context:");
		if (status?.started === undefined || status.completed === undefined) continue;
		const transferSeconds = (status.completed.getTime() - status.started.getTime()) / 1000;
		return { transferSeconds, contextBytes: status.current };
	}
	throw new Error(`the daemon reports no transfer of a context:\n${output.slice(-2_000)}`);
}
